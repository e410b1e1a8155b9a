"""The measurements of ``attacks``: one fill of one concept's cut under every attack, and what signs and sizes are worth to a revival."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor

from clients.cache import configuration_hash
from clients.diffusion.denoiser import Denoiser
from clients.diffusion.images import Images
from clients.streams import bottom, torch_generator
from clients.unlearning.pruning.layers import feed_forward_weights, set_feed_forward_weights
from clients.unlearning.pruning.masks import density
from experiments.reproductions.lines import Line
from experiments.reproductions.roots_pairs import Weights, Work, masks_of, own_images, own_part
from server.defences.fills import FillSpec, Gaussian, RedrawnColumns
from server.defences.secret import Secret
from server.revival import oracle
from server.revival.adversaries import Historian, Quantise, Relearn, Tune
from server.revival.attack import revive
from server.revival.inversion import Inverter, replaced
from server.revival.knowledge import Adaptive, History, OwnEmbedding, OwnImages, WeightsOnly, WithActivity, WithMask
from server.revival.naming import activities
from server.revival.refill import refill
from server.revival.tuning import Tuner
from server.revival.unchanging import Invert, Name

VERSION = 2
"""Version of the measurements; increase it when the same settings give other numbers."""
FILLS: dict[str, FillSpec | None] = {"cut": None, "gaussian": Gaussian(relative=1.0), "redrawn_columns": RedrawnColumns()}
"""What is released: the plain cut, or a fill of it."""
INVERSION_IMAGES, INVERSION_RATE = 8, 0.02
"""Images of who learns an embedding, and the learning rate."""
SIGNS = "signs"
"""The part that measures what signs and sizes are worth, whatever fills the cut."""
NOISE = 0.1
"""Standard deviation of the difference between the surrogate and the original, in those of a layer: another training of the same model."""
Versions = Iterator[tuple[str, Weights]]


@dataclass(frozen=True)
class Ladder:
    """How long, and on how many images, adversaries train; which shares of the guessed signs a revival keeps."""

    images: tuple[int, ...]
    steps: tuple[int, ...]
    benign: tuple[int, ...]
    inversion: tuple[int, ...]
    keep: tuple[float, ...]


QUICK = Ladder(images=(8,), steps=(5, 10, 20, 50), benign=(50,), inversion=(200,), keep=(0.2, 0.6, 1.0))
FULL = Ladder(
    images=(1, 8, 32), steps=(5, 10, 20, 50, 100, 200), benign=(20, 50, 200), inversion=(50, 200, 1000), keep=(0.2, 0.4, 0.6, 0.8, 1.0)
)


@dataclass(frozen=True)
class Trial:
    """The settings of all parts: ``work``, whose images train the denoiser, images that no training sees, and the ladder."""

    work: Work
    unseen: Images
    ladder: Ladder

    def part(self, seed: int, concept: int, name: str) -> str:
        """Return the hash of everything that determines a part's measurements."""
        fill = FILLS.get(name)
        settings = {"attacks": VERSION, "part": name, "fill": None if fill is None else fill.model_dump(mode="json")}
        return configuration_hash({"pair": self.work.pair(seed, concept), "ladder": asdict(self.ladder), "noise": NOISE, **settings})


def divided(images: Images, held_out: float) -> tuple[Images, Images]:
    """Return the images of the training, and those that no training sees: a share of each class, chosen by key."""
    unseen = torch.zeros(len(images), dtype=torch.bool)
    for value in images.classes.unique().tolist():
        rows = torch.nonzero(images.classes == value)[:, 0].tolist()
        unseen[bottom(round(held_out * len(rows)), rows, "attacks", "unseen")] = True
    return images.select(~unseen), images.select(unseen)


def measure(trial: Trial, denoiser: Denoiser, seed: int, concept: int, name: str, advance: Callable[[int], None]) -> Line:
    """Return the measurements of one part, without their hash; the denoiser stays unchanged.

    Parameters
    ----------
    name : str
        One of `FILLS`, or `SIGNS`.
    advance : callable
        Called with 1 for each version of the weights that was sampled.
    """
    original = feed_forward_weights(denoiser.unet)
    work = trial.work
    masks = masks_of(work, denoiser, seed, concept)
    rows, told = {}, dict[str, Any]()
    try:
        if name == SIGNS:
            versions, told = signs(trial, original, masks, seed, concept)
        else:
            released = _released(original, masks, FILLS[name], seed)
            versions = attacked(trial, denoiser, original, masks, released, seed, concept)
        for label, weights in versions:
            set_feed_forward_weights(denoiser.unet, weights)
            rows[label] = work.score(denoiser, seed, concept)
            set_feed_forward_weights(denoiser.unet, original)
            advance(1)
        if name != SIGNS:
            rows |= _inversions(trial, denoiser, released, seed, concept, advance)
            told = {"named": named(work, denoiser, released, seed), "target": work.spec.axis(concept)[1]}
    finally:
        set_feed_forward_weights(denoiser.unet, original)
    about = {"seed": seed, "concept": work.spec.concepts[concept], "part": name}
    return {**about, "n": work.counts(), "judge": work.judge.accuracy, "rows": rows, **told}


def length(ladder: Ladder, name: str) -> int:
    """Return the number of rows of a part."""
    if name == SIGNS:
        return 5 + len(ladder.keep)
    return 6 + len(ladder.images) * len(ladder.steps) + len(ladder.benign) + len(ladder.inversion)


def _released(original: Weights, masks: Mapping[str, Tensor], fill: FillSpec | None, seed: int) -> Weights:
    pruned = {layer: weight.masked_fill(masks[layer], 0.0) for layer, weight in original.items()}
    return pruned if fill is None else fill.seal(pruned, masks, Secret.of_run(seed)).weights


def attacked(
    trial: Trial, denoiser: Denoiser, original: Weights, masks: Mapping[str, Tensor], released: Weights, seed: int, concept: int
) -> Versions:
    """Yield what is released and what each adversary makes of it, one by one, under the adversary's name."""
    work, ladder = trial.work, trial.ladder
    revival, share = work.revival.settled(work.compute.device), density(masks)
    yield "released", released
    yield "completion, places guessed", revive(Adaptive(released, share, 1.0), revival).weights
    yield "completion, mask known", revive(WithMask(released, masks), revival).weights
    yield "rounded to 4 bits", Quantise(bits=4).attack(WeightsOnly(released)).weights
    for label, base in (("surrogate base", original), ("surrogate base, noisy", _noisy(original, seed, concept))):
        yield label, Historian(whole=True).attack(History(released, (base,))).weights
    about = work, trial.unseen, denoiser, seed, concept, released
    for count in ladder.images:
        known = _in_one_training(own_images(*about, count), ladder.steps)
        for steps in ladder.steps:
            yield relearn_label(count, steps), Relearn(steps=steps, images=count).attack(known).weights
    known = _in_one_training(own_images(*about, Tune().images, others=True), ladder.benign)
    for steps in ladder.benign:
        yield benign_label(steps), Tune(steps=steps).attack(known).weights


def _in_one_training(known: OwnImages, stops: Collection[int]) -> OwnImages:
    """Return the same knowledge of who trains the released weights once, and takes them after each of several numbers of steps."""
    tuner = known.tune
    assert isinstance(tuner, Tuner)
    course = cache(lambda rate: tuner.course(known.weights, stops, rate))
    return replace(known, tune=lambda _, steps, rate: course(rate)[steps])


def _inversions(
    trial: Trial, denoiser: Denoiser, released: Weights, seed: int, concept: int, advance: Callable[[int], None]
) -> dict[str, dict[str, float]]:
    """Return scores of what is released where an adversary has learned the erased concept's embedding, and no weight."""
    work = trial.work
    axis, target = work.spec.axis(concept)
    own = own_part(work, trial.unseen, seed, concept, INVERSION_IMAGES)
    set_feed_forward_weights(denoiser.unet, released)
    learn = Inverter(denoiser, own, work.training.noise, (seed, "inversion", concept), axis, target)
    course, found = learn.course(trial.ladder.inversion, INVERSION_RATE), {}
    for steps in trial.ladder.inversion:
        adversary = Invert(steps=steps, images=INVERSION_IMAGES, lr=INVERSION_RATE)
        tokens = adversary.attack(OwnEmbedding(released, len(own), lambda steps, _: course[steps])).embedding
        assert tokens is not None
        with replaced(denoiser, axis, target, tokens):
            found[inversion_label(steps)] = work.score(denoiser, seed, concept)
        advance(1)
    return found


def relearn_label(count: int, steps: int) -> str:
    """Return the name of the row of a relearner."""
    return f"relearnt: {steps} steps, {count} image{'s' * (count > 1)}"


def inversion_label(steps: int) -> str:
    """Return the name of the row of who learns the embedding alone."""
    return f"embedding learned: {steps} steps, {INVERSION_IMAGES} images"


def benign_label(steps: int) -> str:
    """Return the name of the row of a benign tuner."""
    return f"tuned on others: {steps} steps"


def signs(
    trial: Trial, original: Weights, masks: Mapping[str, Tensor], seed: int, concept: int
) -> tuple[Versions, dict[str, float]]:
    """Return versions of the revived cut that differ in signs, sizes and the share of signs kept, and figures of the completion."""
    revival = trial.work.revival.settled(trial.work.compute.device)
    pruned, key = _released(original, masks, None, seed), (seed, "signs", concept)
    attack = revive(WeightsOnly(pruned), revival)
    accuracy = oracle.sign_accuracy(attack.guesses, masks, original)
    told = {
        "sign_accuracy": accuracy.overall,
        "sign_accuracy_top_fifth": accuracy.top_fifth,
        "size_error": oracle.size_error(attack.guesses, masks, original),
    }

    def versions() -> Versions:
        yield "original", original
        yield "pruned", pruned
        yield "true signs, random sizes", oracle.swapped_sizes(pruned, masks, original, key)
        yield "random signs, true sizes", oracle.swapped_signs(pruned, masks, original, key)
        yield "guessed signs, guessed sizes", refill(pruned, masks, attack.guesses, 1.0, "as_is")
        how = revival.magnitude, revival.gain, revival.seed
        for keep in trial.ladder.keep:
            yield f"revived, {keep:.1f} of signs kept", refill(pruned, masks, attack.guesses, keep, *how)

    return versions(), told


def named(work: Work, denoiser: Denoiser, released: Weights, seed: int) -> int:
    """Return the class that an adversary names who holds the whole released model, and has sampled every class from it."""
    set_feed_forward_weights(denoiser.unet, released)
    heard = activities(denoiser, "class", (seed, "naming"), work.eraser.calls, halves=work.eraser.halves, sampling=work.sampling)
    return Name(calls=work.eraser.calls).attack(WithActivity(released, heard)).suspects[0]


def _noisy(original: Weights, seed: int, concept: int) -> Weights:
    """Return weights as another training might have left them: the original and Gaussian noise on every entry."""
    return {
        layer: weight + NOISE * weight.std() * torch.randn(weight.shape, generator=torch_generator(seed, "surrogate", concept, layer))
        for layer, weight in original.items()
    }
