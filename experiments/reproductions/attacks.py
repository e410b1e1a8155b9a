"""Attacks on a cut and on its fills: ``python -m experiments.reproductions.attacks [--budget quick] [--seeds 0 1 2] [--concepts 3 7]``.

A denoiser is trained on a part of the digits; adversaries that train have images of the rest only. Of every training seed and concept, each
fill is one part, attacked by all adversaries, and one more part tells what signs and sizes are worth to a revival. Finished parts are
stored at once as JSON lines in the output folder, so that the same command goes on after any interruption.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from clients.diffusion.images import digits
from clients.diffusion.judges.spec import JUDGES
from clients.diffusion.spec import DIGITS, FULL_BUDGET, QUICK_BUDGET
from clients.unlearning.contract import UnlearningError
from experiments.reproductions.attacks_parts import FILLS, FULL, QUICK, SIGNS, Trial, divided, length, measure
from experiments.reproductions.attacks_tables import tables
from experiments.reproductions.command import Parser
from experiments.reproductions.lines import Line, Lines
from experiments.reproductions.roots import training_bars
from experiments.reproductions.roots_pairs import Work, trained
from simulator.checkpoints.progress import Bars

BUDGETS = {"full": (FULL_BUDGET, FULL, (0, 1, 2), tuple(range(10))), "quick": (QUICK_BUDGET, QUICK, (0,), (3, 0, 7))}
"""Training, ladder, and the usual seeds and concepts."""
PARTS = (*FILLS, SIGNS)


def run(trial: Trial, seeds: Sequence[int], concepts: Sequence[int], parts: Sequence[str], store: Lines, cache: Path) -> list[Line]:
    """Return the measured parts of all seeds and concepts, in this order; missing ones are measured and stored."""
    done = store.finished()
    wanted = [(seed, concept, name) for seed in seeds for concept in concepts for name in parts]
    for seed in seeds:
        left = [one for one in wanted if one[0] == seed and trial.part(*one) not in done]
        if not left:
            continue
        with Bars() as drawn:
            denoiser, found = trained(trial.work, seed, cache, training_bars(drawn, seed))
            _say(f"seed {seed}: denoiser {'from the cache' if found else 'trained'}; {len(left)} parts to measure")
            for number, (_, concept, name) in enumerate(left, 1):
                advance = drawn.stage(f"seed {seed}, concept {concept}, {name}", length(trial.ladder, name))
                line = measure(trial, denoiser, seed, concept, name, advance)
                store.append(line)
                done[line["pair"]] = line
                first = next(iter(line["rows"]))
                _say(f"seed {seed}, concept {concept}, {name} ({number} of {len(left)}): {first} {line['rows'][first]['target']:.2f}")
    return [done[trial.part(*one)] for one in wanted]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser("attacks", __doc__ or "")
    parser.add_argument("--budget", choices=list(BUDGETS), default="full", help="for figures, or sooner")
    parser.add_argument("--seeds", type=int, nargs="+", help="training seeds; full: 0 1 2, quick: 0")
    parser.add_argument("--concepts", type=int, nargs="+", help="classes to erase one by one; full: all ten, quick: 3 0 7")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="fills to attack, and the worth of signs")
    parser.add_argument("--held-out", type=float, default=0.2, help="share of each class that no training sees")
    parser.add_compute()
    parser.add_folders("runs/attacks-BUDGET")
    options = parser.parse_args(arguments)
    training, options.ladder, seeds, concepts = BUDGETS[options.budget]
    options.seeds, options.concepts = options.seeds or list(seeds), options.concepts or list(concepts)
    for name, values, most in (("seeds", options.seeds, None), ("concepts", options.concepts, 9)):
        if wrong := [value for value in values if value < 0 or (most is not None and value > most)]:
            parser.error(f"--{name} {wrong[0]}: wants numbers from 0{'' if most is None else f' to {most}'}")
    for name in ("seeds", "concepts", "parts"):
        if len(set(getattr(options, name))) < len(getattr(options, name)):
            parser.error(f"--{name}: one is given twice; name each once")
    if not 0.05 <= options.held_out <= 0.5:
        parser.error(f"--held-out {options.held_out}: wants a share from 0.05 to 0.5")
    compute = parser.compute(options)
    seen, unseen = divided(digits(), options.held_out)
    judge = JUDGES.load("svm")().learned(digits(), compute=compute)
    options.trial = Trial(Work(seen, judge, DIGITS, training, compute=compute), unseen, options.ladder)
    parser.make_folders(options, Path(f"runs/attacks-{options.budget}"))
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, attack, and print the tables."""
    options = _options(arguments)
    store = Lines(options.out)
    try:
        lines = run(options.trial, options.seeds, options.concepts, options.parts, store, options.cache)
    except KeyboardInterrupt:
        print(f"attacks: interrupted; finished parts are in {store.lines}, and the same command goes on from there", file=sys.stderr)
        sys.exit(130)
    except UnlearningError as error:
        print(f"attacks: {error}", file=sys.stderr)
        sys.exit(1)
    console = Console(width=140)
    judge = options.trial.work.judge.accuracy
    spans = ", ".join(map(str, options.seeds)), ", ".join(map(str, options.concepts))
    console.print(f"{options.budget} budget; training seeds {spans[0]}; concepts {spans[1]}; judge {judge:.3f} on held-out images")
    for table in tables(lines):
        console.print(table)
    print("Intervals are over samples (95 %, Wilson), not over trainings. A toy: nothing here was run on a real checkpoint.")


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)
    main()
