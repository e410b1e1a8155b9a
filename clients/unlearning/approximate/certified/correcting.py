"""A convex learner that corrects features and labels of its rows in closed form.

    G = sum of grad l(corrected row) - sum of grad l(row as it was), over the affected rows, at the present parameters
    first order    W - t G
    second order   W - H^-1 G        H the Hessian of the corrected rows

Warnecke, Pirch, Wressnegger, Rieck, Machine Unlearning of Features and Labels, NDSS 2023, equations 5 and 7, here with sums throughout.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from clients.data.rows import Ids, Rows
from clients.streams import Field
from clients.unlearning.approximate.certified.features_labels import FeaturesLabels
from clients.unlearning.approximate.certified.perturbed import Perturbed
from clients.unlearning.contract import COST_NOTE, Cost, Outcome, Problem
from clients.unlearning.convex.objective import Objective
from clients.unlearning.requests import named_rows
from clients.unlearning.tabular import Floats

_DOUBLINGS = 60
"""Times that the length of a first-order step is doubled at most."""


class Correcting(Perturbed):
    """Takes a step for the rows that change, whether they are corrected or leave; see `Perturbed`.

    Parameters
    ----------
    spec : FeaturesLabels
    problem : Problem
    key : tuple
        Key of the perturbations: who knows it knows them.

    Attributes
    ----------
    fixed : float64 array, shape (columns,)
        The value of each column that is the same in all held rows, which it has in questions too; NaN of the others.
    """

    fixed: Floats

    def __init__(self, spec: FeaturesLabels, problem: Problem, key: tuple[Field, ...]) -> None:
        self.spec = spec
        super().__init__(spec, problem, key)

    def forget(self, request: Ids) -> Outcome:
        """Drop rows, and take the step for rows that nothing replaces."""
        ids = named_rows(request, self.rows.ids)
        if not len(ids):
            return Outcome(Cost(), "exact")
        change = -self.part(ids).gradient(self.weights)
        return self.forgotten(ids) or self._stepped(change)

    def correct(self, data: Rows) -> Outcome:
        """Replace held rows by corrected ones, and take the step for the difference; rows that are right already change nothing."""
        right = self.unit.checked(data)
        held = self.rows.only(named_rows(right.ids, self.rows.ids))
        right = right.keep((held.x != right.x).any(axis=1) | (held.y != right.y))
        if not len(right):
            return Outcome(Cost(), "exact")
        wrong = self.part(right.ids).gradient(self.weights)
        self._hold(self.rows.without(right.ids).joined(right))
        if not self.progress:
            return Outcome(Cost(), "exact")
        return self._stepped(self.part(right.ids).gradient(self.weights) - wrong)

    def _stepped(self, change: Tensor) -> Outcome:
        """Take the step for a change of the gradient, and with a perturbation another where it leaves more than half the budget."""
        objective = self.objective()
        if self.spec.order == "first":
            self.weights, steps = _descended(objective, self.weights, change), 0
        else:
            self.weights, steps = self.weights + objective.newton(self.weights, change), 1
        residual = objective.at(self.weights).residual
        if not self.spec.sigma:
            notes = f"residual {residual:.2g} on the rows as they are now", f"{COST_NOTE}{steps} Newton steps"
            return Outcome(Cost(parts=1), self.spec.claim, notes=notes)
        self.bound = residual
        if steps and self.bound > self.law.budget / 2:
            weights = self.weights + objective.newton(self.weights, objective.gradient(self.weights))
            bound, steps = objective.at(weights).residual, 2
            if bound < self.bound:
                self.weights, self.bound = weights, bound
        return self.certified(steps)

    def predict_proba(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return class probabilities, shape (len(x), classes), of inputs in which fixed columns have their value."""
        features = self.unit.table.features(x)
        return super().predict_proba(np.where(np.isnan(self.fixed), features, self.fixed).astype(np.float32))

    def drop(self, ids: Ids) -> None:
        """Drop held rows by id, and everything made of them."""
        super().drop(ids)
        self._fix()

    def _hold(self, rows: Rows) -> None:
        super()._hold(rows)
        self._fix()

    def _fix(self) -> None:
        """Find the columns that are the same in all held rows."""
        x = self.unit.table.features(self.rows.x).astype(np.float64)
        self.fixed = np.where((x == x[0]).all(axis=0), x[0], np.nan) if len(x) else np.full(self.unit.table.width, np.nan)


def _descended(objective: Objective, weights: Tensor, change: Tensor) -> Tensor:
    """Return the parameters after the longest of doubled steps against a change that still makes the gradient smaller."""
    length, size = 1 / objective.smoothness, float(objective.gradient(weights).norm())
    best = weights
    for _ in range(_DOUBLINGS):
        there = weights - length * change
        found = float(objective.gradient(there).norm())
        if not found < size:
            break
        best, size, length = there, found, 2 * length
    return best
