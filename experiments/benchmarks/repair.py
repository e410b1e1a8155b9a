"""Wrong labels found by the failures that they make, and forgotten: ``python -m experiments.benchmarks.repair [--quick]``.

A third each of the rows trains, fails (validation) and measures (test). Of two classes, a share of the training labels is exchanged.
As many rows as labels are wrong are forgotten: the first of the ranking by `causes`, random ones, and right ones of the largest loss,
which are rare.
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is imported

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from clients import streams
from clients.data import Dataset
from clients.data.bundled import BreastCancer, Digits
from clients.data.rows import Ids, Rows
from clients.models import ModelSpec
from clients.models.linear import Linear
from clients.models.mlp import Mlp
from clients.models.network import Network
from clients.training import Arrays, Sgd, Training
from clients.unlearning.general.contract import Learning
from clients.unlearning.general.curvature import Curvature
from clients.unlearning.general.repair import Repair
from experiments.intervals import interval
from server.audit.causes import direction, scores

WRONG = 0.15
TRAINING = Training(epochs=20, optimizer=Sgd(lr=0.3, weight_decay=1e-2))


@dataclass(frozen=True)
class Setting:
    """A data set, the two classes whose labels are exchanged, the classes that are used (all if none), and a network."""

    name: str
    data: Dataset
    pair: tuple[int, int]
    network: ModelSpec
    only: bool = False


class Seed:
    """A model trained with wrong labels, and what there is to measure it by.

    Parameters
    ----------
    setting : Setting
    seed : int
        Draws split, wrong labels, and training.
    """

    def __init__(self, setting: Setting, seed: int) -> None:
        data, pair = setting.data, setting.pair
        used = np.flatnonzero(np.isin(data.y, pair)) if setting.only else np.arange(len(data))
        parts = np.array_split(used[streams.order(used, "repair benchmark", seed)], 3)
        train, self.validation, self.test = (data.rows(np.sort(part)) for part in parts)
        self.wrong = np.sort(np.concatenate([self._drawn(train, label, seed) for label in pair]))
        other = np.where(train.y == pair[0], pair[1], pair[0])
        self.rows = Rows(train.ids, train.x, np.where(np.isin(train.ids, self.wrong), other, train.y))
        self.learning = Learning(Network(setting.network, data.shape, data.classes), TRAINING, 1, ("repair benchmark", seed))
        self.weights = self.train(self.rows)
        self.pair, self.seed = pair, seed

    @staticmethod
    def _drawn(train: Rows, label: int, seed: int) -> Ids:
        mine = train.ids[train.y == label]
        return np.array(streams.bottom(int(WRONG * len(mine)), mine.tolist(), "wrong", seed), np.int64)

    def train(self, rows: Rows) -> Arrays:
        """Return the weights after training on these rows."""
        return self.learning.train(self.learning.initial(), rows, range(1))[0]

    def failing(self, rows: Rows, weights: Arrays) -> Rows:
        """Return the rows that a model gets wrong."""
        return rows.keep(self.learning.network.probabilities(weights, rows.x).argmax(axis=1) != rows.y)

    def first(self, values: Any, among: Rows | None = None) -> Ids:
        """Return as many ids as labels are wrong, those of the largest values first."""
        rows = self.rows if among is None else among
        return rows.ids[np.argsort(-np.asarray(values), kind="stable")[: len(self.wrong)]]

    def causes(self) -> Ids:
        """Return the first rows by what forgetting them would do to validation rows of the two classes that fail."""
        failures = self.failing(self.validation, self.weights)
        failures = failures.keep(np.isin(failures.y, self.pair))
        curvature = Curvature(self.learning.network, self.weights, TRAINING)
        precision = Repair().precision(curvature, [self.rows], self.rows.without(self.rows.ids), ("repair benchmark", self.seed))
        return self.first(scores(curvature, direction(curvature, precision, failures), self.rows))

    def losses(self, rows: Rows) -> Any:
        """Return the cross-entropy of each row, (n,)."""
        answers = self.learning.network.probabilities(self.weights, rows.x)[np.arange(len(rows)), rows.y]
        return -np.log(np.maximum(answers, np.finfo(np.float32).tiny))

    def effect(self, weights: Arrays) -> tuple[float, float]:
        """Return the share of the failing test rows that are right now, and by how much accuracy on all test rows has changed."""
        before, after = self.failing(self.test, self.weights), self.failing(self.test, weights)
        right = 1 - len(self.failing(before, weights)) / max(1, len(before))
        return right, (len(before) - len(after)) / len(self.test)

    def repaired(self, gone: Ids) -> tuple[float, float]:
        """Return the effect of forgetting rows by repair."""
        return self.effect(Repair().apply(self.weights, self.learning, self.rows.only(gone), self.rows.without(gone), ())[0])


def measure(setting: Setting, seed: int) -> dict[str, float]:
    """Return the figures of one seed by their names."""
    one = Seed(setting, seed)
    causes, random = one.causes(), one.first(streams.uniforms(one.rows.ids, "random", seed))
    right = one.rows.without(one.wrong)
    rare = one.first(one.losses(right), right)
    shares = {"causes": causes, "loss": one.first(one.losses(one.rows)), "random": random}
    found = {"base": len(one.wrong) / len(one.rows)}
    found |= {f"precision, {name}": float(np.isin(ids, one.wrong).mean()) for name, ids in shares.items()}
    found["lift"] = found["precision, causes"] / found["base"]
    without = one.train(one.rows.without(causes))
    effects = {name: one.repaired(ids) for name, ids in (("causes", causes), ("random", random), ("rare", rare))}
    for name, (helped, change) in (effects | {"retrained": one.effect(without)}).items():
        found |= {f"helped, {name}": helped, f"change, {name}": change}
    return found


def settings() -> list[Setting]:
    """Return what is measured."""
    digits, cancer = Digits().load(), BreastCancer(dataset="breast_cancer").load()
    return [
        Setting("digits 3 and 8, linear", digits, (3, 8), Linear(), only=True),
        Setting("ten digits, linear", digits, (3, 8), Linear()),
        Setting("ten digits, mlp", digits, (3, 8), Mlp(hidden=(16,))),
        Setting("breast cancer, linear", cancer, (0, 1), Linear()),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table per setting: means over seeds with their intervals."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="two seeds, one setting")
    quick = parser.parse_args(arguments).quick
    torch.set_num_threads(1)
    seeds = 2 if quick else 10
    drawn = Table(title=f"{WRONG:.0%} of the labels of two classes exchanged, {seeds} seeds, 95 % intervals")
    for heading in ("figure", *(setting.name for setting in settings()[: 1 if quick else None])):
        drawn.add_column(heading, justify="left" if heading == "figure" else "right")
    found = [
        [measure(setting, seed) for seed in track(range(seeds), setting.name, console=Console(stderr=True))]
        for setting in settings()[: 1 if quick else None]
    ]
    for name in found[0][0]:
        drawn.add_row(name, *(interval([one[name] for one in column]) for column in found))
    Console(width=140).print(drawn)
    print("helped: share of failing test rows that are right afterwards; change: of accuracy on all test rows")


if __name__ == "__main__":
    main()
