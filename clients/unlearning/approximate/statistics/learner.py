"""Convex learners that keep statistics instead of rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clients.data.rows import Ids, Rows
from clients.streams import Field
from clients.unlearning.approximate.certified.perturbation import Law
from clients.unlearning.approximate.statistics import digest
from clients.unlearning.approximate.statistics.certificate import NOISE, Distance
from clients.unlearning.approximate.statistics.outcome import outcome
from clients.unlearning.approximate.statistics.spec import StatisticsSpec
from clients.unlearning.approximate.statistics.statistics import FixedInverse, ProximalJackknife, RemainingHessian, Statistics
from clients.unlearning.contract import Cost, Outcome, Problem, State, Stored, UnlearningError
from clients.unlearning.convex.learner import WEIGHTS, ConvexLearner
from clients.unlearning.convex.objective import Objective
from clients.unlearning.requests import named_rows
from clients.unlearning.states import fingerprint, fits, seen_ids

_KEPT = ("anchor", "gradient", "matrix")
"""Names, in a state, of the statistics."""


class Summarised(ConvexLearner):
    """Drops its rows after training; requests are rows (`Rows`), of which only the ids are compared with what was learned.

    Parameters
    ----------
    spec : StatisticsSpec
    problem : Problem
    key : tuple
        Key of the noise: who knows it knows the noise.

    Attributes
    ----------
    weights, noise : float64 tensor, shape (d, K)
        Parameters before noise, which stay secret, and the noise on those that answer.
    statistics : Statistics or None
        None before training and without rows.
    seen : int64 array
        Ids of all rows that the parameters have learned from since the training.
    """

    takes: type[Statistics]

    def __init__(self, spec: StatisticsSpec, problem: Problem, key: tuple[Field, ...]) -> None:
        self.spec, self.law = spec, Law(spec.epsilon, spec.delta, spec.sigma)
        super().__init__(spec.base, problem, key)
        self._begun()

    def begin(self, data: Rows) -> None:
        """Start anew on ``data``, which may be empty, and hold the rows until they are learned."""
        super().begin(data)
        self._begun()

    def _begun(self) -> None:
        self._ids, self._digest = self.rows.ids.copy(), digest.digest(self.rows)
        self.seen, self.releases, self.noise = self.rows.ids[:0].copy(), 0, self.zeros()
        self.statistics: Statistics | None = None

    @property
    def settings(self) -> StatisticsSpec:
        """Return the whole table."""
        return self.spec

    @property
    def held(self) -> Ids:
        """Ids of the rows that it has learned from, or is to learn from."""
        return self._ids

    @property
    def released(self) -> Tensor:
        """The parameters with noise."""
        return self.weights + self.noise

    def solve(self) -> int:
        """Replace the parameters by the optimum, keep the statistics, drop the rows."""
        steps = super().solve()
        if len(self.rows):
            self.statistics = self.takes.of(self.objective(), self.weights)
            self._release()
        self.seen = self._ids.copy()
        self._hold(self.nothing())
        return steps

    def forget(self, request: Rows) -> Outcome:  # type: ignore[override]  # it has kept no rows, so a request brings them
        """Subtract the rows' sums and take the step; before the first round, only drop them.

        That is exact, as nothing has been learned, and so it is where no row remains. ``UnlearningError`` for a request of ids.
        """
        gone = self._asked(request)
        if not len(gone):
            return Outcome(Cost(), "exact")
        if not self.progress:
            self.drop(gone.ids)
            self._leave(gone)
            return Outcome(Cost(), "exact")
        assert self.statistics is not None
        if len(gone) == len(self._ids):
            self._leave(gone)
            self.statistics, self.weights, self.noise, self.seen = None, self.zeros(), self.zeros(), self._ids.copy()
            self.releases = 0
            return Outcome(Cost(parts=1), "exact")
        self.statistics = self.statistics.without(self._objective_of(gone))
        self.weights = self.statistics.anchor + self.statistics.change()
        self._leave(gone)
        self._release()
        return outcome(self.spec, self.statistics, Distance)

    def _asked(self, request: Rows) -> Rows:
        """Return checked copies of the rows to forget, in order of their ids."""
        if not isinstance(request, Rows):
            raise UnlearningError(f"rows: {self.spec.kind} has kept none of them: ask with the rows themselves, not with their ids")
        named_rows(request.ids, self._ids)
        order = np.argsort(request.ids, kind="stable")
        return self.unit.checked(Rows(request.ids[order], request.x[order], request.y[order]))

    def _objective_of(self, rows: Rows) -> Objective:
        """Return the objective on rows that come with a request, without a linear term."""
        targets = self.loss.targets(torch.tensor(rows.y), self.problem.classes)
        return Objective(self.loss, torch.tensor(self.unit.of(rows.x)), targets, self.convex.penalty, self.zeros())

    def _leave(self, gone: Rows) -> None:
        self._ids = self._ids[~np.isin(self._ids, gone.ids)]
        self._digest = digest.without(self._digest, gone)

    def _release(self) -> None:
        """Draw the noise of a new release."""
        self.noise = self._drawn(self.releases, self.weights)
        self.releases += 1

    def _drawn(self, number: int, weights: Tensor) -> Tensor:
        """Return a release's noise, which is keyed by what it hides too: a learner that is begun anew starts from number 0 again."""
        if not self.spec.sigma:
            return self.zeros()
        return torch.tensor(self.law.draw(self.shape, *self.key, "noise", number, weights.numpy().tobytes()))

    def arrays(self) -> State:
        """Return parameters, noise and its number, statistics, and the ids of rows that the parameters have learned from."""
        kept = self.statistics or self._none()
        numbers = {
            "counts": np.array([kept.trained, self.releases]),
            "slack": np.array([kept.slack]),
        }
        arrays = {name: getattr(kept, name).numpy() for name in _KEPT}
        return {WEIGHTS: self.weights.numpy(), NOISE: self.noise.numpy(), **arrays, **numbers, "seen": self.seen}

    def _none(self) -> Statistics:
        """Return statistics of no rows."""
        x, targets = torch.zeros((0, self.shape[0]), dtype=torch.float64), torch.zeros((0, self.shape[1]), dtype=torch.float64)
        hessian = self.loss.hessian(x, x @ self.zeros(), targets)
        return self.takes(self.zeros(), self.zeros(), hessian, 0, 0, 0.0, self.convex.lasso)

    def restore(self, state: Mapping[str, npt.NDArray[Any]], data: Rows) -> None:
        """Restore the model from its ``state``; the retained rows ``data`` tell that it is theirs, and are dropped if they were learned."""
        super().restore(state, data)
        self._ids, self._digest = self.rows.ids.copy(), digest.digest(self.rows)
        if self.progress:
            self._hold(self.nothing())

    def take(self, arrays: State, rows: Rows, progress: int) -> None:
        """Take over the arrays of a state; ``UnlearningError`` if its noise is not the key's."""
        seen = seen_ids(arrays, rows.ids, progress)
        fits(arrays, {name: array for name, array in self.arrays().items() if name != "seen"})
        trained, releases = (int(count) for count in arrays["counts"])
        weights = torch.tensor(arrays[WEIGHTS])
        noise = self._drawn(releases - 1, weights) if releases and len(rows) else self.zeros()
        if trained < 0 or releases < 0 or noise.numpy().tobytes() != arrays[NOISE].tobytes():
            raise UnlearningError("state: its noise is not that of this key: give the same key and settings")
        anchor, gradient, matrix = (torch.tensor(arrays[name]) for name in _KEPT)
        slack, whole = float(arrays["slack"][0]), progress and len(rows)
        kept = self.takes(anchor, gradient, matrix, trained, len(rows), slack, self.convex.lasso)
        self.statistics = kept if whole else None
        self.weights, self.noise, self.releases, self.seen = weights, noise, releases, seen

    def stored(self) -> list[Stored]:
        """Return parameters and statistics with the ids of all rows that they have learned from."""
        return [Stored("statistics", self.seen.copy())]

    def signature(self) -> str:
        """Return the fingerprint of rows, key and settings."""
        return self._signed(self._ids, self._digest)

    def _origin(self, rows: Rows) -> str:
        return self._signed(rows.ids, digest.digest(rows))

    def _signed(self, ids: Ids, total: int) -> str:
        return fingerprint(type(self).__name__, self.settings.model_dump_json(), self.rounds, self.key, ids, f"{total:x}")


class Newton(Summarised):
    """Keeps the Hessian; see `RemainingHessian`."""

    takes = RemainingHessian


class Jackknife(Summarised):
    """Keeps the inverse Hessian, or, with a penalty on absolute parameters, the Hessian; see `FixedInverse`, `ProximalJackknife`."""

    def __init__(self, spec: StatisticsSpec, problem: Problem, key: tuple[Field, ...]) -> None:
        self.takes = ProximalJackknife if spec.base.lasso else FixedInverse
        super().__init__(spec, problem, key)
