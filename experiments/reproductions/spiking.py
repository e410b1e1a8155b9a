"""What unlearning in spiking networks does: ``python -m experiments.reproductions.spiking [--seeds 3] [--mnist FOLDER]``.

Four findings are told of Wang, Ying and Pan (Frontiers in Neurorobotics 18, 2024): metrics fall after unlearning; they fall more on human
activities than on digits; further training recovers much of it, more on digits; the loss grows with the share unlearned. Each is seen here
or said not to be, over training seeds, on generated activities in place of UCI HAR. Phases are switched off one by one, the forgotten class
is learned again beside a network that never had it, and pruned synapses meet the revival attack.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is imported

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track
from scipy.stats import spearmanr

from clients.data import DataError, DatasetSpec, load
from clients.data.activities import Activities
from clients.data.bundled import Digits
from clients.data.idx import Idx
from clients.data.rows import Rows
from clients.models.network import Network
from clients.models.spiking import Spiking
from clients.streams import order
from clients.training import Adam, Arrays, Training
from clients.unlearning.general.contract import Learning
from clients.unlearning.spiking.method import SpikingUnlearning
from experiments.reproductions import spiking_tables as tables
from experiments.reproductions.command import Parser

SHARES = (0.01, 0.05, 0.1, 0.2, 0.4)
"""Shares of the training rows that a request names."""
MIDDLE = 0.1
"""The share on which the findings about data sets and repair are judged."""
AGAIN = (1, 3, 5)
"""Epochs on all rows after which relearning is measured."""
PHASES: dict[str, dict[str, Any]] = {
    "all phases": {},
    "retraining alone": {"prune": False, "thresholds": False, "repair": 0},
    "pruning alone": {"retrain": False, "thresholds": False, "repair": 0},
    "thresholds alone": {"retrain": False, "prune": False, "repair": 0},
    "without repair": {"repair": 0},
    "random neurons": {"choose": "random"},
    "none": {"retrain": False, "prune": False, "thresholds": False, "repair": 0},
}
"""Ablation: settings of the method by what they leave."""
TEST, TRAIN, EPOCHS = 500, 800, 15


@dataclass(frozen=True)
class Trial:
    """A data set, a training seed, and the network trained on it.

    Parameters
    ----------
    name : str
    label : int
        The class that is forgotten as a whole.
    train, test : Rows
    learning : Learning
    weights : mapping of str to array
        After training on all training rows.
    """

    name: str
    label: int
    train: Rows
    test: Rows
    learning: Learning
    weights: Arrays

    def forgotten(self, gone: npt.NDArray[Any], **settings: Any) -> Arrays:
        """Return the weights after a request for the training rows where ``gone`` is true."""
        parts = self.train.keep(gone), self.train.keep(~gone)
        return SpikingUnlearning(**settings).apply(self.weights, self.learning, *parts, ("request",))[0]

    def learned(self, weights: Arrays, epochs: int) -> Arrays:
        """Return the weights after further epochs on all training rows."""
        rows, settings = self.train, Training(optimizer=Adam(lr=0.001))
        key, network = ("again",), self.learning.network
        return network.train(weights, rows.x, rows.y, epochs=range(epochs), ids=rows.ids, key=key, settings=settings)[0]

    def answers(self, weights: Arrays) -> npt.NDArray[Any]:
        """Return the predicted classes of the test rows, int64 (n,)."""
        found: npt.NDArray[Any] = self.learning.network.probabilities(weights, self.test.x).argmax(axis=1)
        return found

    def right(self, weights: Arrays) -> tuple[float, float]:
        """Return the shares of correct predictions for test rows of the forgotten class, and of the others."""
        hit, own = self.answers(weights) == self.test.y, self.test.y == self.label
        return float(hit[own].mean()), float(hit[~own].mean())


def trial(name: str, spec: DatasetSpec, label: int, seed: int) -> Trial:
    """Return a trained network; test rows, training rows and all draws depend on the seed."""
    data = load(spec)
    if data.subjects is None:
        drawn = order(data.ids, "spiking", seed)
        parts = drawn[:TEST], drawn[TEST : TEST + TRAIN]
    else:  # people are tested who were never seen
        people = order(np.unique(data.subjects), "spiking", seed)
        parts = np.flatnonzero(np.isin(data.subjects, people[:3])), np.flatnonzero(~np.isin(data.subjects, people[:3]))
    test, train = (data.rows(np.sort(part)) for part in parts)
    learning = Learning(Network(Spiking(hidden=(64,)), data.shape, data.classes), Training(epochs=EPOCHS), 1, ("spiking", seed))
    return Trial(name, label, train, test, learning, learning.train(learning.initial(), train, range(1))[0])


def shares(one: Trial) -> dict[str, dict[str, float]]:
    """Return the metrics of the original, after requests for growing shares without repair, and after repair of the middle one."""
    ranks = np.argsort(np.argsort(order(one.train.ids, "shares"))) / len(one.train)
    found = {"original": tables.metrics(one.test.y, one.answers(one.weights))}
    for share in SHARES:
        found[f"{share:.0%}"] = tables.metrics(one.test.y, one.answers(one.forgotten(ranks < share, repair=0)))
    found["repaired"] = tables.metrics(one.test.y, one.answers(one.forgotten(ranks < MIDDLE)))
    return found


def trend(found: dict[str, dict[str, float]]) -> float:
    """Return the rank correlation of the share unlearned with the loss of accuracy."""
    losses = [found["original"]["accuracy"] - found[f"{share:.0%}"]["accuracy"] for share in SHARES]
    return float(spearmanr(SHARES, losses).statistic) if len(set(losses)) > 1 else 0.0


def phases(one: Trial) -> dict[str, tuple[float, ...]]:
    """Return, for each ablation and for a network that never had the class, what is right of it and of the others, and after relearning."""
    gone = one.train.y == one.label
    never, _ = one.learning.train(one.learning.initial(), one.train.keep(~gone), range(1))
    weights = {name: one.forgotten(gone, **settings) for name, settings in PHASES.items()} | {"never there (retrained)": never}
    return {
        name: (*one.right(after), *(one.right(one.learned(after, epochs))[0] for epochs in (AGAIN if name in tables.RELEARNED else ())))
        for name, after in weights.items()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables and the findings."""
    parser = Parser("spiking", __doc__ or "")
    parser.add_argument("--seeds", type=int, default=3, help="training seeds, at least 2")
    parser.add_argument("--mnist", help="folder or prefix of MNIST's files, for a third data set")
    parser.add_argument("--quick", action="store_true", help="fewer rows of activities and digits alone, to see that it works")
    told = parser.parse_args(arguments)
    if told.seeds < 2:
        parser.error(f"--seeds {told.seeds}: an interval needs at least 2")
    people = Activities(subjects=6, windows=4) if told.quick else Activities()
    sets: list[tuple[str, DatasetSpec, int]] = [("digits", Digits(rows=700 if told.quick else None), 3), ("activities", people, 1)]
    sets += [("mnist", Idx(path=told.mnist, rows=TEST + TRAIN), 3)] if told.mnist else []
    try:
        load(sets[-1][1])
    except DataError as reason:
        parser.error(f"--mnist {reason}")
    console = Console(width=140)
    moved: dict[str, tables.Moved] = {}
    trends: dict[str, list[float]] = {}
    for name, spec, label in sets:
        seeds = track(range(told.seeds), name, console=Console(stderr=True))
        measured = [(one, shares(one), phases(one), tables.revived(one)) for one in (trial(name, spec, label, seed) for seed in seeds)]
        trials, found, split, revived = zip(*measured, strict=True)
        moved[name], trends[name] = found, [trend(one) for one in found]
        console.print(tables.of_shares(name, len(trials[0].test), found))
        console.print(tables.of_phases(name, trials[0].learning.network.classes, split, AGAIN))
        console.print(tables.of_revival(name, revived))
    for line in tables.findings(moved, trends, f"{MIDDLE:.0%}"):
        console.print(line, markup=False)


if __name__ == "__main__":
    main()
