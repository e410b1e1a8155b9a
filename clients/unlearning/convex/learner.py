"""The common base class of convex learners."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clients.data.rows import Ids, Rows
from clients.streams import Field
from clients.unlearning.contract import Problem, State, Stored, Unlearner, UnlearnerSpec
from clients.unlearning.convex.compaction import compacted
from clients.unlearning.convex.losses import loss_of
from clients.unlearning.convex.objective import Objective
from clients.unlearning.convex.solver import minimise
from clients.unlearning.convex.spec import Convex
from clients.unlearning.convex.unit_rows import UnitRows
from clients.unlearning.states import PROGRESS, Signed, fingerprint, fits, opened

WEIGHTS = "weights"
"""Name of the parameters, float64 (d, K), in a state."""


class ConvexLearner(Unlearner[Rows, Ids]):
    """A linear model at the optimum of its objective; all training happens in the first round.

    Parameters
    ----------
    spec : Convex
    problem : Problem
    key : tuple
        Key of random choices, where a subclass makes any.

    Attributes
    ----------
    weights : float64 tensor, shape (d, K)
        Zeros before training and without rows.

    Raises
    ------
    UnlearningError
        If the problem has one class only, or a column's bounds are not finite.
    """

    rows: Rows
    _x: Tensor
    _targets: Tensor

    def __init__(self, spec: Convex, problem: Problem, key: tuple[Field, ...]) -> None:
        self.rounds, self.problem, self.convex, self.key = problem.rounds, problem, spec, key
        self.loss, self.unit = loss_of(spec), UnitRows(problem, (spec.low, spec.high))
        outputs = self.loss.targets(torch.zeros(1, dtype=torch.int64), problem.classes).shape[1]
        self.shape = self.unit.width, outputs
        self.progress, self.weights = 0, self.zeros()
        self._hold(self.nothing())

    def nothing(self) -> Rows:
        """Return no rows."""
        return Rows(np.empty(0, np.int64), np.empty((0, *self.problem.shape), np.float32), np.empty(0, np.int64))

    def zeros(self) -> Tensor:
        """Return parameters of zeros, float64 (d, K)."""
        return torch.zeros(self.shape, dtype=torch.float64)

    def begin(self, data: Rows) -> None:
        """Start anew on ``data``, which may be empty; all classes are then equally probable."""
        self._hold(self.unit.checked(data))
        self.progress, self.weights = 0, self.zeros()

    def advance(self) -> int:
        """Solve in the first round; later rounds do nothing. Newton steps are no gradient steps: 0 are told."""
        if not self.progress:
            self.solve()
        self.progress += 1
        return 0

    def solve(self) -> int:
        """Replace the parameters by the optimum on the held rows, zeros if there are none; return the Newton steps."""
        self.weights, steps = minimise(self.objective()) if len(self.rows) else (self.zeros(), 0)
        return steps

    def objective(self) -> Objective:
        """Return the objective on the held rows; once some of them leave it is one no more, as arrays change in place."""
        return Objective(self.loss, self._x, self._targets, self.convex.penalty, self.linear(), self.convex.lasso)

    def part(self, ids: Ids) -> Objective:
        """Return the objective on some held rows, without a linear term."""
        chosen = torch.tensor(np.isin(self.rows.ids, ids))
        return Objective(self.loss, self._x[chosen], self._targets[chosen], self.convex.penalty, self.zeros())

    @property
    def settings(self) -> UnlearnerSpec:
        """Return the table whose every key decides the state."""
        return self.convex

    @property
    def held(self) -> Ids:
        """Ids of the rows that it has learned from, or is to learn from."""
        return self.rows.ids

    @property
    def released(self) -> Tensor:
        """The parameters that answer, float64 (d, K)."""
        return self.weights

    def linear(self) -> Tensor:
        """Return the linear term of the objective, float64 (d, K): none, here."""
        return self.zeros()

    def drop(self, ids: Ids) -> None:
        """Drop held rows by id, and everything made of them; arrays of inputs change in place, which takes a fraction of copying them."""
        stays = ~np.isin(self.rows.ids, ids)
        self.rows = Rows(self.rows.ids[stays], compacted(self.rows.x, stays), self.rows.y[stays])
        self._x, self._targets = (torch.from_numpy(compacted(made.numpy(), stays)) for made in (self._x, self._targets))

    def predict_proba(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return class probabilities, shape (len(x), classes); uniform before training and without rows."""
        vectors = torch.tensor(self.unit.of(x))
        if not (self.progress and len(self.held)):
            return np.full((len(vectors), self.problem.classes), 1 / self.problem.classes, np.float32)
        found: npt.NDArray[np.float32] = self.loss.probabilities(vectors @ self.released).numpy().astype(np.float32)
        return found

    def arrays(self) -> State:
        """Return the arrays of the state, without the progress."""
        return {WEIGHTS: self.weights.numpy()}

    def state(self) -> State:
        """Return progress and arrays."""
        return Signed({PROGRESS: np.array([self.progress]), **self.arrays()}, self.signature())

    def restore(self, state: Mapping[str, npt.NDArray[Any]], data: Rows) -> None:
        """Restore the model from its ``state`` and its retained rows ``data``; ``UnlearningError`` if the state is another model's."""
        rows = self.unit.checked(data)
        arrays, progress = opened(state, self._origin(rows))
        self.take(arrays, rows, progress)
        self._hold(rows)
        self.progress = progress

    def take(self, arrays: State, rows: Rows, progress: int) -> None:
        """Take over the arrays of a state that belong to these rows; ``UnlearningError``, and nothing has changed, if they cannot."""
        fits(arrays, {WEIGHTS: self.zeros().numpy()})
        self.weights = torch.tensor(arrays[WEIGHTS])

    def stored(self) -> list[Stored]:
        """Return the parameters, which depend on every held row once solved."""
        return [Stored(WEIGHTS, self.rows.ids.copy() if self.progress else self.rows.ids[:0].copy())]

    def signature(self) -> str:
        """Return the fingerprint of rows, key and settings."""
        return self._origin(self.rows)

    def _hold(self, rows: Rows) -> None:
        self.rows, self._x = rows, torch.tensor(self.unit.of(rows.x))
        self._targets = self.loss.targets(torch.tensor(rows.y), self.problem.classes)

    def _origin(self, rows: Rows) -> str:
        return fingerprint(type(self).__name__, self.settings.model_dump_json(), self.rounds, self.key, rows.ids, rows.x, rows.y)
