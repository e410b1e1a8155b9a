"""Effect of federated averaging on a cut: ``python -m experiments.reproductions.dilution [--concepts 1 4 7]``.

Ten peers fine-tune one denoiser of digits for two rounds, each on its own class distribution. In the second round, a share of them also
cuts a concept from its update, or (``server_mask``) sends activation statistics; the server averages under six policies. The output shows
the accuracy on the target and on the other classes by share and policy, the remaining size of a cut entry with its theoretical value (``1
- q`` under the mean), and what an adversary with earlier releases restores. The denoiser is that of ``roots``, from the same cache. The
run takes minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from clients.diffusion.images import digits
from clients.diffusion.judges.spec import JUDGES
from clients.diffusion.metrics import Budget
from clients.diffusion.spec import DIGITS, FULL_BUDGET
from experiments.reproductions.command import Parser
from experiments.reproductions.dilution_federation import POLICIES, Point, Trial, federate, measure
from experiments.reproductions.dilution_tables import certainty, picture, tables
from experiments.reproductions.roots_pairs import Work, trained
from experiments.reproductions.studies import training_bars
from experiments.threads import one_thread
from simulator.checkpoints.progress import Bars

TRAINING = FULL_BUDGET


def run(trial: Trial, concepts: Sequence[int], folder: Path) -> list[Point]:
    """Return the points of all concepts; only the denoiser in the cache is kept between runs."""
    with Bars() as drawn:
        denoiser, _ = trained(trial.work, trial.seed, folder, training_bars(drawn, trial.seed))
        federation = federate(trial, denoiser, drawn.stage("local steps", 2 * trial.peers))
        advance = drawn.stage("policies and shares", len(concepts) * len(POLICIES) * len(trial.pruning))
        return [point for concept in concepts for point in measure(trial, federation, concept, advance)]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser("dilution", __doc__ or "")
    parser.add_argument("--seed", type=int, default=1, help="training seed of the denoiser, and of all other draws")
    parser.add_argument("--concepts", type=int, nargs="+", default=[1, 4, 7], help="classes to erase, each from the whole model")
    parser.add_argument("--judge", choices=list(JUDGES.targets()), default="svm", help="who says what samples show")
    parser.add_compute()
    parser.add_folders("runs/dilution")
    options = parser.parse_args(arguments)
    wrong = [concept for concept in options.concepts if not 0 <= concept <= 9]
    if wrong or len(set(options.concepts)) < len(options.concepts):
        parser.error(f"--concepts {' '.join(map(str, wrong or options.concepts))}: wants numbers from 0 to 9, each once")
    if options.seed < 0:
        parser.error(f"--seed {options.seed}: wants a number from 0")
    options.compute = parser.compute(options)
    parser.make_folders(options, Path("runs/dilution"))
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Fine-tune, cut, average and measure; print the tables and draw the figure."""
    options = _options(arguments)
    images = digits()
    judge = JUDGES.load(options.judge)().learned(images, compute=options.compute)
    trial = Trial(Work(images, judge, DIGITS, TRAINING, budget=Budget(target=40, others=5), compute=options.compute), options.seed)
    try:
        points = run(trial, options.concepts, options.cache)
    except KeyboardInterrupt:
        print("dilution: interrupted; nothing was written", file=sys.stderr)
        sys.exit(130)
    (options.out / "points.json").write_text(json.dumps(points, indent=1) + "\n")
    console = Console(width=140)
    console.print(
        f"digits, seed {options.seed}; concepts {', '.join(map(str, options.concepts))}; {trial.peers} peers of equal weight; "
        f"{trial.work.budget.target} samples of the target and {trial.work.budget.others} of each other class"
    )
    for table in tables(points):
        console.print(table)
    print(certainty(points, trial.work.counts()))
    print("Intervals are over samples (95 %, Wilson) of one training; accuracies after the adversary are over as many.")
    picture(points, options.out / "dilution.svg")
    print(f"points: {options.out / 'points.json'}; picture: {options.out / 'dilution.svg'}")


if __name__ == "__main__":
    one_thread()
    main()
