"""Relearning after erasers: ``python -m experiments.reproductions.relearning [--seeds 0 1 2] [--concepts 6 9]``.

A denoiser is trained on a part of the digits. Each eraser erases each concept from it; then an adversary who has eight images of the
concept, which no training has seen, trains what is released: the feed-forward output weights, or all weights. What an eraser left of a
concept is stored at once as a JSON line in the output folder, so that the same command goes on after any interruption.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from torch import Tensor

from clients.cache import configuration_hash
from clients.diffusion import metrics
from clients.diffusion.denoiser import Denoiser
from clients.diffusion.images import Images, digits
from clients.diffusion.judges.spec import JUDGES
from clients.diffusion.spec import DIGITS, QUICK_BUDGET
from clients.diffusion.subject import DenoiserSubject
from clients.unlearning.pruning import ERASERS
from clients.unlearning.pruning.contract import EraserSpec
from clients.unlearning.pruning.gradients import Scope, borrowed, chosen, copies
from experiments.reproductions.attacks_parts import divided
from experiments.reproductions.command import Parser
from experiments.reproductions.lines import Line, Lines
from experiments.reproductions.relearning_tables import each, means
from experiments.reproductions.roots_pairs import Work, own_part
from experiments.reproductions.studies import Study, add_spans, check_spans
from experiments.threads import one_thread
from server.revival.tuning import Tuner

IMAGES, RATE = 8, 1e-3
"""Images of the adversary, and the learning rate."""
VERSION = 1
"""Version of the measurements; increase it when the same settings give other numbers."""
SETTINGS: dict[str, dict[str, object]] = {"salun": {"scope": "all", "share": 1.0}, "resistant": {}}
"""Settings that differ from the usual ones; SalUn over all weights is the loss of ``resistant`` without an adversary."""


def spec_of(kind: str) -> EraserSpec:
    """Return an eraser with its settings here."""
    return ERASERS.load(kind)(**SETTINGS.get(kind, {}))


@dataclass(frozen=True)
class Trial:
    """The settings of all measurements: ``work``, whose images train the denoiser, images that no training sees, and the adversaries.

    ``scopes`` are what adversaries train, ``steps`` how long.
    """

    work: Work
    unseen: Images
    scopes: tuple[Scope, ...]
    steps: tuple[int, ...]

    def name(self, seed: int, kind: str, concept: int) -> str:
        """Return the hash of everything that determines the measurements of an eraser and a concept."""
        adversaries = {"scopes": list(self.scopes), "steps": list(self.steps), "images": IMAGES, "rate": RATE}
        settings = {"relearning": VERSION, "eraser": spec_of(kind).model_dump(mode="json"), "adversaries": adversaries}
        return configuration_hash({"pair": self.work.pair(seed, concept), **settings})


def erased(work: Work, denoiser: Denoiser, spec: EraserSpec, seed: int, concept: int) -> None:
    """Erase a concept from the denoiser."""
    noise, sampling = work.training.noise, work.sampling
    subject = DenoiserSubject(denoiser, concept, (seed, "mask"), images=work.images, sampling=sampling, noise=noise)
    spec.erase(subject, (seed, "mask")).apply(denoiser.unet)


def relearned(work: Work, unseen: Images, denoiser: Denoiser, seed: int, concept: int, scope: Scope, steps: int) -> None:
    """Let the adversary train the denoiser's weights in scope."""
    own = own_part(work, unseen, seed, concept, IMAGES)
    parameters = chosen(denoiser.unet, scope)
    with borrowed(denoiser.unet, parameters):
        Tuner(denoiser, own, work.training.noise, (seed, "adversary", concept)).train(parameters, steps, RATE)
        found = copies(parameters)
    restore(denoiser, found)


def restore(denoiser: Denoiser, weights: Mapping[str, Tensor]) -> None:
    """Write weights back into the denoiser."""
    denoiser.unet.load_state_dict(dict(weights), strict=False)


def measure(trial: Trial, denoiser: Denoiser, kind: str, seed: int, concept: int, advance: Callable[[int], None]) -> Line:
    """Return what an eraser leaves of a concept, and what each adversary makes of it; the denoiser stays unchanged.

    ``advance`` is called with 1 for each of the rows: as released, and after each adversary.
    """
    work, rows, whole = trial.work, list[dict[str, Any]](), copies(dict(denoiser.unet.named_parameters()))

    def score(scope: str, steps: int) -> None:
        rows.append({"scope": scope, "steps": steps, **work.score(denoiser, seed, concept)})
        advance(1)

    try:
        erased(work, denoiser, spec_of(kind), seed, concept)
        released = copies(dict(denoiser.unet.named_parameters()))
        score("", 0)
        for scope, steps in product(trial.scopes, trial.steps):
            relearned(work, trial.unseen, denoiser, seed, concept, scope, steps)
            score(scope, steps)
            restore(denoiser, released)
    finally:
        restore(denoiser, whole)
    return {"seed": seed, "concept": concept, "eraser": kind, "n": work.counts(), "rows": rows}


def study(trial: Trial) -> Study[tuple[str, int]]:
    """Return the study of erasers and concepts."""

    def name(seed: int, thing: tuple[str, int]) -> str:
        return trial.name(seed, *thing)

    def of(denoiser: Denoiser, seed: int, thing: tuple[str, int], advance: Callable[[int], None]) -> Line:
        return measure(trial, denoiser, thing[0], seed, thing[1], advance)

    rows = 1 + len(trial.scopes) * len(trial.steps)
    return Study("relearning", trial.work, name, of, lambda _: rows, lambda line: f"released {line['rows'][0]['target']:.2f}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser("relearning", __doc__ or "")
    usual = ["concept_prune", "salun", "resistant"]
    parser.add_argument("--erasers", nargs="+", choices=sorted(ERASERS.targets()), default=usual, help="others are compared with the first")
    add_spans(parser, (0,), (6, 9))
    scopes = ["feed_forward_out", "all"]
    parser.add_argument("--scopes", nargs="+", choices=scopes, default=scopes, help="weights that the adversary trains")
    parser.add_argument("--steps", type=int, nargs="+", default=[10, 20, 50, 100], help="steps of the adversary")
    parser.add_argument("--samples", type=int, nargs=2, metavar=("TARGET", "OTHERS"), default=[60, 5], help="of the concept, of each other")
    parser.add_folders("runs/relearning")
    options = parser.parse_args(arguments)
    for name, values in (("steps", options.steps), ("samples", options.samples)):
        if min(values) < 1:
            parser.error(f"--{name} {' '.join(map(str, values))}: wants positive numbers")
    check_spans(parser, options, "erasers", "scopes", "steps")
    parser.make_folders(options, Path("runs/relearning"))
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, erase, relearn, and print a line for each measurement, then what holds over seeds."""
    options = _options(arguments)
    seen, unseen = divided(digits(), 0.2)
    judge = JUDGES.load("svm")().learned(digits())
    work = Work(seen, judge, DIGITS, QUICK_BUDGET, budget=metrics.Budget(*options.samples))
    trial = Trial(work, unseen, tuple(options.scopes), tuple(options.steps))
    things = [(kind, concept) for concept, kind in product(options.concepts, options.erasers)]
    lines = study(trial).lines(options.seeds, things, Lines(options.out), options.cache)
    print(f"quick budget; judge {judge.accuracy:.3f} on held-out images; {IMAGES} images of the adversary")
    print(*each(lines), sep="\n")
    concepts = ", ".join(map(str, options.concepts))
    print(f"means over concepts {concepts}; with several seeds, 95 % intervals over them (n = {len(options.seeds)}):")
    print(*means(lines, options.erasers), sep="\n")


if __name__ == "__main__":
    one_thread()
    main()
