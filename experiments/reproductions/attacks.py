"""Attacks on a cut and on its fills: ``python -m experiments.reproductions.attacks [--budget quick] [--seeds 0 1 2] [--concepts 3 7]``.

A denoiser is trained on a part of the digits; adversaries that train have images of the rest only. Of every training seed and concept, each
fill is one part, attacked by all adversaries, and one more part tells what signs and sizes are worth to a revival. Finished parts are
stored at once as JSON lines in the output folder, so that the same command goes on after any interruption.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

from rich.console import Console

from clients.diffusion.denoiser import Denoiser
from clients.diffusion.images import digits
from clients.diffusion.judges.spec import JUDGES
from clients.diffusion.spec import DIGITS, FULL_BUDGET, QUICK_BUDGET
from experiments.reproductions.attacks_parts import FILLS, FULL, QUICK, SIGNS, Trial, divided, length, measure
from experiments.reproductions.attacks_picture import picture
from experiments.reproductions.attacks_tables import tables
from experiments.reproductions.command import Parser
from experiments.reproductions.lines import Line, Lines
from experiments.reproductions.roots_pairs import Work
from experiments.reproductions.studies import Study, check_spans, heading
from experiments.threads import one_thread

BUDGETS = {"full": (FULL_BUDGET, FULL, (0, 1, 2), tuple(range(10))), "quick": (QUICK_BUDGET, QUICK, (0,), (3, 0, 7))}
"""Training, ladder, and the usual seeds and concepts."""
PARTS = (*FILLS, SIGNS)


def study(trial: Trial) -> Study[tuple[int, str]]:
    """Return the study of concepts and parts."""

    def of(denoiser: Denoiser, seed: int, thing: tuple[int, str], advance: Callable[[int], None]) -> Line:
        return measure(trial, denoiser, seed, *thing, advance)

    return Study("attacks", trial.work, lambda seed, thing: trial.part(seed, *thing), of, lambda thing: length(trial.ladder, thing[1]))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser("attacks", __doc__ or "")
    parser.add_argument("--budget", choices=list(BUDGETS), default="full", help="for figures, or sooner")
    parser.add_argument("--seeds", type=int, nargs="+", help="training seeds; full: 0 1 2, quick: 0")
    parser.add_argument("--concepts", type=int, nargs="+", choices=range(10), help="classes to erase; full: all ten, quick: 3 0 7")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="fills to attack, and the worth of signs")
    parser.add_argument("--held-out", type=float, default=0.2, help="share of each class that no training sees")
    parser.add_compute()
    parser.add_folders("runs/attacks-BUDGET")
    options = parser.parse_args(arguments)
    training, options.ladder, seeds, concepts = BUDGETS[options.budget]
    options.seeds, options.concepts = options.seeds or list(seeds), options.concepts or list(concepts)
    check_spans(parser, options, "parts")
    if not 0.05 <= options.held_out <= 0.5:
        parser.error(f"--held-out {options.held_out}: wants a share from 0.05 to 0.5")
    compute = parser.compute(options)
    seen, unseen = divided(digits(), options.held_out)
    judge = JUDGES.load("svm")().learned(digits(), compute=compute)
    options.trial = Trial(Work(seen, judge, DIGITS, training, compute=compute), unseen, options.ladder)
    parser.make_folders(options, Path(f"runs/attacks-{options.budget}"))
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, attack, print the tables and draw the figure."""
    options = _options(arguments)
    things = list(product(options.concepts, options.parts))
    lines = study(options.trial).lines(options.seeds, things, Lines(options.out), options.cache)
    console = Console(width=140)
    judge = options.trial.work.judge
    console.print(heading(options.budget, options, judge))
    for table in tables(lines):
        console.print(table)
    picture(lines, options.ladder, options.out / "attacks.svg")
    print("Where nothing else is said, intervals are over samples (95 %, Wilson), not over trainings.")
    print("p takes cuts of one denoiser as independent. A toy: nothing here was run on a real checkpoint.")
    print(f"picture: {options.out / 'attacks.svg'}")


if __name__ == "__main__":
    one_thread()
    main()
