"""What erasers leave behind: ``python -m experiments.reproductions.scars [--erasers salun uce] [--seeds 0 1] [--concepts 6 9]``.

Each eraser erases each concept from the denoiser of each training seed. Adversaries then have what is released: one completes zeros, or,
where there are none, as many of the smallest feed-forward output weights as were changed; one trains these weights, or an embedding, on
eight images that no training has seen; one names the concept from the scar. Finished scars are stored at once as JSON lines in the output
folder, so that the same command goes on after any interruption.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from itertools import product
from pathlib import Path

from rich.console import Console
from torch import Tensor

from clients.cache import configuration_hash
from clients.diffusion import metrics
from clients.diffusion.denoiser import Denoiser
from clients.diffusion.images import Images, digits
from clients.diffusion.judges.spec import JUDGES
from clients.diffusion.spec import DIGITS, QUICK_BUDGET
from clients.unlearning.pruning import ERASERS
from clients.unlearning.pruning.gradients import copies
from clients.unlearning.pruning.layers import feed_forward_weights, set_feed_forward_weights
from experiments.reproductions.attacks_parts import INVERSION_IMAGES, INVERSION_RATE, divided, named
from experiments.reproductions.command import Parser
from experiments.reproductions.lines import Line, Lines
from experiments.reproductions.relearning import erased, relearned, restore
from experiments.reproductions.roots_pairs import Weights, Work, own_part
from experiments.reproductions.scars_tables import PARTS, Each, Scar, tables
from experiments.reproductions.studies import Study, add_spans, check_spans, heading
from experiments.threads import one_thread
from server.revival.adversaries import Repruner, ZeroScan
from server.revival.inversion import Inverter, replaced
from server.revival.knowledge import WeightsOnly, WithDensity

ALL = ("concept_prune", "class_discriminative", "ssd", "scissorhands", "salun", "uce", "esd", "resistant")
VERSION = 1
"""Version of the measurements; increase it when the same settings give other numbers."""


@dataclass(frozen=True)
class Trial:
    """The settings of all scars: ``work``, whose images train the denoiser, images that no training sees, and the steps of adversaries.

    ``steps`` are those of who relearns, and of who learns an embedding.
    """

    work: Work
    unseen: Images
    steps: tuple[int, int]

    def scar(self, kind: str, seed: int, concept: int) -> str:
        """Return the hash of everything that determines a scar's measurements."""
        adversaries = {"steps": list(self.steps), "images": INVERSION_IMAGES, "rate": INVERSION_RATE}
        settings = {"scars": VERSION, "eraser": ERASERS.load(kind)().model_dump(mode="json"), "adversaries": adversaries}
        return configuration_hash({"pair": self.work.pair(seed, concept), **settings})


def study(trial: Trial) -> Study[tuple[str, int]]:
    """Return the study of erasers and concepts."""

    def of(denoiser: Denoiser, seed: int, thing: tuple[str, int], advance: Callable[[int], None]) -> Line:
        kind, concept = thing
        return asdict(measured(trial, denoiser, kind, seed, concept, advance))

    return Study("scars", trial.work, lambda seed, thing: trial.scar(thing[0], seed, thing[1]), of, lambda _: len(PARTS))


def read(line: Line) -> Scar:
    """Return a stored scar; JSON has turned classes into text."""
    values = {one.name: line[one.name] for one in fields(Scar)}
    by_class = {part: values[part] and {int(one): share for one, share in values[part].items()} for part in PARTS}
    return Scar(**{**values, **by_class})


def measured(trial: Trial, denoiser: Denoiser, kind: str, seed: int, concept: int, advance: Callable[[int], None]) -> Scar:
    """Return what an eraser leaves of a concept, and what adversaries make of it; the denoiser stays unchanged.

    ``advance`` is called with 1 for each of the ``PARTS``, completed or not.
    """
    whole, before = copies(dict(denoiser.unet.named_parameters())), feed_forward_weights(denoiser.unet)
    work = trial.work

    def judged() -> Each:
        scores = metrics.score(denoiser, work.judge, concept, (seed, "samples"), budget=work.budget, sampling=work.sampling)
        advance(1)
        return scores.each

    try:
        erased(work, denoiser, ERASERS.load(kind)(), seed, concept)
        released, layers = copies(dict(denoiser.unet.named_parameters())), feed_forward_weights(denoiser.unet)
        zeros, changed = (_share(layers, other) for other in (None, before))
        elsewhere = any(not value.equal(whole[name]) for name, value in released.items() if not name.endswith(".ff.net.2.weight"))
        scar = partial(Scar, kind, seed, concept, zeros, changed, elsewhere)
        told = judged()
        right = named(work, denoiser, layers, seed) == concept
        completed = None
        if (weights := _completed(work, layers, zeros, changed)) is None:
            advance(1)
        else:
            set_feed_forward_weights(denoiser.unet, weights)
            completed = judged()
            restore(denoiser, released)
        own = own_part(work, trial.unseen, seed, concept, INVERSION_IMAGES)
        learn = Inverter(denoiser, own, work.training.noise, (seed, "inversion", concept), "class", concept)
        tokens = learn(trial.steps[1], INVERSION_RATE)
        with replaced(denoiser, "class", concept, tokens):
            embedding = judged()
        relearned(work, trial.unseen, denoiser, seed, concept, "feed_forward_out", trial.steps[0])
        return scar(right, told, completed, judged(), embedding)
    finally:
        restore(denoiser, whole)


def _share(weights: Weights, before: Weights | None) -> float:
    """Return the share of entries that are zero, or differ from before."""
    marked = [(weight == 0) if before is None else (weight != before[layer]) for layer, weight in weights.items()]
    return sum(int(mask.sum()) for mask in marked) / sum(mask.numel() for mask in marked)


def _completed(work: Work, layers: dict[str, Tensor], zeros: float, changed: float) -> Weights | None:
    """Return the weights after completion of zeros or, without any, of the smallest; None if none or all were changed, or all are zero."""
    revival = work.revival.settled(work.compute.device)
    if 0 < zeros < 1:
        return ZeroScan(revival=revival).attack(WeightsOnly(layers)).weights
    return Repruner(revival=revival).attack(WithDensity(layers, changed)).weights if 0 < changed < 1 else None


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser("scars", __doc__ or "")
    parser.add_argument("--erasers", nargs="+", choices=sorted(ERASERS.targets()), default=list(ALL))
    add_spans(parser, (0, 1), (6, 9, 3))
    parser.add_argument("--steps", type=int, nargs=2, metavar=("RELEARN", "EMBED"), default=[20, 200], help="of the adversaries that train")
    parser.add_argument("--samples", type=int, nargs=2, metavar=("TARGET", "OTHERS"), default=[60, 10], help="of it, of each other")
    parser.add_folders("runs/scars")
    options = parser.parse_args(arguments)
    for name in ("steps", "samples"):
        if min(getattr(options, name)) < 1:
            parser.error(f"--{name} {' '.join(map(str, getattr(options, name)))}: wants positive numbers")
    check_spans(parser, options, "erasers")
    parser.make_folders(options, Path("runs/scars"))
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, erase, attack, and print the tables."""
    options = _options(arguments)
    seen, unseen = divided(digits(), 0.2)
    judge = JUDGES.load("svm")().learned(digits())
    trial = Trial(Work(seen, judge, DIGITS, QUICK_BUDGET, budget=metrics.Budget(*options.samples)), unseen, tuple(options.steps))
    things = [(kind, concept) for concept, kind in product(options.concepts, options.erasers)]
    scars = [read(line) for line in study(trial).lines(options.seeds, things, Lines(options.out), options.cache)]
    console = Console(width=140)
    console.print(heading("quick", options, judge))
    for one in tables(scars, options.samples):
        console.print(one)
    target, others = options.samples
    relearn, embed = options.steps
    print(f"Of each concept of a seed {target} samples, of each other {others}; 95 % intervals (Wilson) over samples, not over trainings.")
    print(f"Relearning: {relearn} steps on the feed-forward output weights; embedding: {embed} steps; both on {INVERSION_IMAGES} images.")


if __name__ == "__main__":
    one_thread()
    main()
