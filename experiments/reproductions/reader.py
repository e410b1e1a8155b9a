"""Detection of edited columns by a trained detector: ``python -m experiments.reproductions.reader [--own 11]``.

The attacker makes releases whose cuts it knows, trains a detector of edited columns on many statistics of columns, and applies it to the
denoisers of ``roots``, whose fills have another secret. It makes the releases of one of two models: a denoiser of its own (``own``: trained
with the quick budget and another seed, from which it cuts every digit), or the very model that was released (``released``: it cuts every
other digit from that). The fills are compared with the original weights, which reveal only the columns that a concept would select, and
with the plain cut. Then the attacker cuts again where the detector points, and completes that: samples are judged as released, after this
attack, and after a completion that knows the mask. Denoisers come from the cache, or are trained. What was found in a release is stored at
once as a JSON line in the output folder, so that the same command goes on after any interruption.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

from rich.console import Console
from torch import Tensor

from clients.cache import configuration_hash
from clients.diffusion.denoiser import Denoiser
from clients.diffusion.images import digits
from clients.diffusion.judges.spec import Svm
from clients.diffusion.spec import DIGITS, FULL_BUDGET, QUICK_BUDGET
from clients.unlearning.pruning.layers import feed_forward_weights, set_feed_forward_weights
from experiments.reproductions.command import Parser
from experiments.reproductions.lines import Line, Lines
from experiments.reproductions.reader_tables import MODELS, table
from experiments.reproductions.roots_pairs import Weights, Work, masks_of, trained
from experiments.reproductions.studies import Study, add_spans, check_spans
from experiments.threads import one_thread
from server.defences.detection import score_auc
from server.defences.fills import FILLS, FillSpec
from server.defences.secret import Secret
from server.revival.attack import revive
from server.revival.knowledge import Example, WithMask
from server.revival.reader import Reader

VERSION = 2
"""Version of the measurements; increase it when the same settings give other numbers."""
USUAL = ["gaussian", "decoys", "redrawn_columns"]
ORIGINAL, PRUNED = "original", "pruned"
"""Releases that are no fills: no cut, and the plain cut."""
Hide = Callable[[Weights, Mapping[str, Tensor], int], Weights]
"""Maps a denoiser's weights, its cut and its training seed to the released weights."""
Release = tuple[str, int]
"""A kind of release, and the concept that is cut."""


@dataclass(frozen=True)
class Trial:
    """The settings of all releases.

    Parameters
    ----------
    work : Work
        Of the denoisers that are read.
    own : Work
        Of the attacker's own denoiser.
    seed : int
        Training seed of that denoiser, and of the attacker's secret.
    examples : tuple of str
        Keys of ``MODELS``: what the attacker makes its examples of.
    """

    work: Work
    own: Work
    seed: int
    examples: tuple[str, ...]

    def name(self, seed: int, release: Release) -> str:
        """Return the hash of everything that determines what is found in a release."""
        kind, concept = release
        fill = None if kind in (ORIGINAL, PRUNED) else FILLS.load(kind)().model_dump(mode="json")
        attacker = {"own": self.own.pair(self.seed, 0), "examples": list(self.examples)}
        return configuration_hash({"pair": self.work.pair(seed, concept), "reader": VERSION, "release": [kind, fill], **attacker})


def cut(weights: Weights, masks: Mapping[str, Tensor]) -> Weights:
    """Return the weights with the cut entries set to zero."""
    return {name: weight.masked_fill(masks[name], 0.0) for name, weight in weights.items()}


def sealed(fill: FillSpec) -> Hide:
    """Return a function that fills the cut with the secret of the denoiser's own seed."""
    return lambda weights, masks, seed: fill.seal(cut(weights, masks), masks, Secret.of_run(seed)).weights


def hide(kind: str) -> Hide:
    """Return the function of a kind of release: no cut, the plain cut, or a fill."""
    if kind == ORIGINAL:
        return lambda weights, masks, seed: weights
    return (lambda weights, masks, seed: cut(weights, masks)) if kind == PRUNED else sealed(FILLS.load(kind)())


def cuts(work: Work, denoiser: Denoiser, seed: int, concepts: Sequence[int]) -> list[dict[str, Tensor]]:
    """Return the masks of every concept, each of the whole denoiser."""
    return [masks_of(work, denoiser, seed, concept) for concept in concepts]


def examples_of(trial: Trial, denoiser: Denoiser, released: Weights, release: Release) -> list[Example]:
    """Return releases made of the released model, from which the attacker cuts every digit but the erased one."""
    kind, concept = release
    with holding(denoiser, released):
        made = cuts(trial.work, denoiser, trial.seed, [other for other in range(trial.work.spec.classes) if other != concept])
    return [(hide(kind)(released, masks, trial.seed), masks) for masks in made]


@contextmanager
def holding(denoiser: Denoiser, weights: Weights) -> Iterator[None]:
    """Give a denoiser other feed-forward output weights for a while."""
    original = feed_forward_weights(denoiser.unet)
    set_feed_forward_weights(denoiser.unet, weights)
    try:
        yield
    finally:
        set_feed_forward_weights(denoiser.unet, original)


def study(trial: Trial, folder: Path) -> Study[Release]:
    """Return the study of releases; ``folder`` is the cache of denoisers."""

    @cache
    def lessons() -> tuple[Weights, list[dict[str, Tensor]]]:
        own, _ = trained(trial.own, trial.seed, folder)
        return feed_forward_weights(own.unet), cuts(trial.own, own, trial.seed, range(trial.own.spec.classes))

    @cache
    def general(kind: str) -> Reader:
        weights, learned = lessons()
        return Reader.of([(hide(kind)(weights, masks, trial.seed), masks) for masks in learned])

    @cache
    def masks_in(denoiser: Denoiser, seed: int, concept: int) -> dict[str, Tensor]:
        return masks_of(trial.work, denoiser, seed, concept)

    def of(denoiser: Denoiser, seed: int, release: Release, advance: Callable[[int], None]) -> Line:
        kind, concept = release
        masks = masks_in(denoiser, seed, concept)
        released, readers = hide(kind)(feed_forward_weights(denoiser.unet), masks, seed), {}
        if "own" in trial.examples:
            readers["own"] = general(kind)
        if "released" in trial.examples:
            readers["released"] = Reader.of(examples_of(trial, denoiser, released, release))
        advance(1)
        found = measure(trial.work, denoiser, (released, masks), readers, seed, concept, advance, judged=kind != ORIGINAL)
        return {"seed": seed, "concept": concept, "release": kind, "n": trial.work.counts(), **found}

    def steps(release: Release) -> int:
        return 1 if release[0] == ORIGINAL else 3 + len(trial.examples)

    others = [(trial.own, trial.seed)] if "own" in trial.examples else []
    return Study("reader", trial.work, trial.name, of, steps, _areas, others)


def _areas(line: Line) -> str:
    return "area " + ", ".join(f"{area:.3f} ({MODELS[model]})" for model, area in line["areas"].items())


def measure(
    work: Work,
    denoiser: Denoiser,
    release: Example,
    readers: Mapping[str, Reader],
    seed: int,
    concept: int,
    advance: Callable[[int], None],
    *,
    judged: bool,
) -> Line:
    """Return the area under each reader's curve and, if samples are to be judged, the shares as released and after each attack.

    ``advance`` is called with 1 for each version of the weights that was sampled.
    """
    weights, mask = dict(release[0]), release[1]

    def scored(version: Weights) -> dict[str, float]:
        with holding(denoiser, version):
            shares = work.score(denoiser, seed, concept)
        advance(1)
        return shares

    areas = {model: score_auc(reader.scores(weights), mask).value for model, reader in readers.items()}
    if not judged:
        return {"areas": areas, "rows": {}, "read": {}}
    revival = work.revival.settled(work.compute.device)
    rows = {"released": scored(weights), "known": scored(revive(WithMask(weights, mask), revival).weights)}
    places = {model: reader.places(weights) for model, reader in readers.items()}
    read = {model: scored(revive(WithMask(weights, guessed), revival).weights) for model, guessed in places.items()}
    return {"areas": areas, "rows": rows, "read": read}


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser("reader", __doc__ or "")
    parser.add_argument("--own", type=int, default=11, help="training seed of the attacker's denoiser")
    add_spans(parser, (0, 1, 2), range(10))
    parser.add_argument("--fills", nargs="+", choices=list(FILLS.targets()), default=USUAL, help="fills to read")
    parser.add_argument("--examples", nargs="+", choices=list(MODELS), default=list(MODELS), help="what the attacker learns from")
    parser.add_folders("runs/reader")
    options = parser.parse_args(arguments)
    check_spans(parser, options, "fills", "examples")
    if options.own < 0:
        parser.error(f"--own {options.own}: wants a number from 0")
    if options.own in options.seeds:
        parser.error(f"--own {options.own}: is among the seeds that are read; name another")
    parser.make_folders(options, Path("runs/reader"))
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Train or load, cut, fill and detect; print a row for each kind of release and of examples."""
    options = _options(arguments)
    images = digits()
    judge = Svm().learned(images)
    work, own = (Work(images, judge, DIGITS, training) for training in (FULL_BUDGET, QUICK_BUDGET))
    trial = Trial(work, own, options.own, tuple(model for model in MODELS if model in options.examples))
    releases = list(product((ORIGINAL, PRUNED, *options.fills), options.concepts))
    lines = study(trial, options.cache).lines(options.seeds, releases, Lines(options.out), options.cache)
    Console(width=180).print(table(lines))
    print("Intervals of shares are over samples (95 %, Wilson), not over trainings.")


if __name__ == "__main__":
    one_thread()
    main()
