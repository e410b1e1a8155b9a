"""Learners from the joint first and second moments of inputs and targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from clients.unlearning.contract import Problem
from clients.unlearning.exact.statistical.fixed import BITS, Design, Gram, Ints, Sums, gram, kernels, moments
from clients.unlearning.exact.statistical.learner import SumLearner, check_counts, check_scatter, one_hot
from clients.unlearning.tabular import Floats, Places

Learned = TypeVar("Learned")


class MomentLearner(SumLearner[Learned]):
    """Sums of z and zz', where z is a row's design followed by its targets: one 0/1 target per class, or the number to predict.

    Parameters
    ----------
    problem : Problem
    design : Design
    target : tuple of float
        Public (low, high) of a regression's targets.
    """

    def __init__(self, problem: Problem, design: Design, target: tuple[float, float] = (0.0, 1.0)) -> None:
        super().__init__(problem, design)
        self.target = target
        self.targets = problem.classes
        low, high = target if problem.classes == 1 else (0.0, 1.0)
        reach = (high - low) / 2 or 1.0
        self.scale = np.concatenate([design.scale, np.full(self.targets, 2.0 ** (BITS - int(np.ceil(np.log2(reach)))))])
        self.unit = 1 / self.scale
        self.centre = np.concatenate([design.centre, np.full(self.targets, (low + high) / 2)])

    def integers(self, x: npt.NDArray[np.float32], y: npt.NDArray[Any]) -> Ints:
        """Return z as integers, int64 (n, D + targets)."""
        targets = y[:, None] if self.problem.classes == 1 else one_hot(y, self.targets)
        values = np.concatenate([self.design.expand(x), targets], axis=1, dtype=np.float64)
        return np.asarray(np.rint((values - self.centre) * self.scale).astype(np.int64))

    def contribution(self, x: npt.NDArray[np.float32], y: npt.NDArray[Any]) -> Sums:
        """Return n (1,), first (2, m) and second moments (3, m, m) by limbs."""
        return moments(self.integers(x, y))

    def take_out(self, places: Places) -> None:
        """Subtract the rows at these positions; for a single row without building its matrices."""
        if len(places) != 1:
            super().take_out(places)
            return
        rows, place, categories = self.held.rows, places[0], self.design.table.categories
        row, label = rows.x[place], float(rows.y[place])
        first, second = self.sums["first"], self.sums["second"]
        kernels().remove_row(first, second, row, label, categories, self.problem.classes, self.centre, self.scale)
        self.sums["n"][0] -= 1

    def gram(self) -> Gram:
        """Return means and scatter of z."""
        return gram(self.sums, self.unit, self.centre)

    def check(self, sums: Mapping[str, Ints]) -> None:
        """Raise ``UnlearningError`` for a negative number of rows, or moments that no rows can have."""
        check_counts(sums, ("n",))
        check_scatter(sums["second"], sums["first"], int(sums["n"][0]))

    def class_means(self, found: Gram) -> tuple[Floats, Floats]:
        """Return class counts (C,) and the classes' mean designs (C, D); the mean of an empty class is that of all rows."""
        d = self.design.width
        share = found.mean[d:]
        cross = found.scatter[d:, :d] / found.n
        mean = found.mean[:d] + cross / np.where(share > 0.5 / found.n, share, np.inf)[:, None]
        return np.rint(share * found.n), mean
