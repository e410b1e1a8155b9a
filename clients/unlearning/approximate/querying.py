"""A learner that accesses rows through statistical queries only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids, Rows
from clients.streams import Field
from clients.unlearning.approximate.asking import Asking, Logistic, Perceptron, Support, softmax
from clients.unlearning.approximate.queries import AdaptiveQueries
from clients.unlearning.contract import Cost, Outcome, Problem, State, Stored, Unlearner, UnlearningError
from clients.unlearning.exact.statistical.oracle import Oracle
from clients.unlearning.states import PROGRESS, Signed, fingerprint, fits, opened, same, seen_ids
from clients.unlearning.tabular import Floats


class Querying(Unlearner[Rows, Ids]):
    """Gradient descent with gradients answered by an oracle, which alone holds the rows.

    Parameters
    ----------
    spec : AdaptiveQueries
    problem : Problem
    key : tuple
        Key of the initial parameters.

    Raises
    ------
    UnlearningError
        If the problem has one class only.
    """

    def __init__(self, spec: AdaptiveQueries, problem: Problem, key: tuple[Field, ...]) -> None:
        if problem.classes < 2:
            raise UnlearningError("adaptive_queries: the problem has one class: it needs at least two")
        self.rounds, self.problem, self.spec, self.key = problem.rounds, problem, spec, key
        self.design = spec.design(problem)
        self.model = _model(spec, self.design.width + 1, problem.classes)
        low, high = self.design.low, self.design.high
        binary = self.design.table.categories[self.design.source] > 0  # 0 or 1 as they are: a category never seen then moves no score
        self._middle = np.where(binary, 0.0, (high + low) / 2)
        self._half = np.where(binary | (high <= low), 1.0, (high - low) / 2)
        self.progress = 0
        self.parameters = self.model.initial(key)
        self.oracle = self._oracle(Rows(np.empty(0, np.int64), np.empty((0, *problem.shape), np.float32), np.empty(0, np.int64)))
        self.seen: Ids = self.oracle.ids

    def begin(self, data: Rows) -> None:
        """Start anew on ``data``, which may be empty; all classes are then equally probable."""
        self.oracle = self._oracle(data)
        self.progress, self.parameters, self.seen = 0, self.model.initial(self.key), self.oracle.ids[:0]

    def advance(self) -> int:
        """Take the gradient steps of one round; return their number."""
        self.progress += 1
        self.seen = np.union1d(self.seen, self.oracle.ids)
        return self._descend(self.spec.iterations)

    def forget(self, request: Ids) -> Outcome:
        """Let the oracle forget the rows, then continue from the current parameters; before the first round this is exact."""
        gone = self.oracle.forget(request)
        if not self.progress or not len(gone):
            return Outcome(Cost(), "exact")
        before = self.oracle.asked
        steps = self._descend(self.spec.refine)
        asked = self.oracle.asked - before
        return Outcome(Cost(steps, parts=1), "approximate", notes=(f"{asked} statistical queries within {self.spec.tolerance:g}",))

    def predict_proba(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return class probabilities, shape (len(x), classes); uniform before training and without rows."""
        features = self._scaled(self.design.table.features(x))
        if not (self.progress and len(self.oracle)):
            return np.full((len(features), self.problem.classes), 1 / self.problem.classes, np.float32)
        return softmax(self.model.scores(self.parameters, features)).astype(np.float32)

    def state(self) -> State:
        """Return progress, parameters, and the ids of all rows that ever entered an answer."""
        arrays = {PROGRESS: np.array([self.progress]), "parameters": self.parameters, "seen": self.seen}
        return Signed(arrays, self._origin(self.oracle))

    def restore(self, state: Mapping[str, npt.NDArray[Any]], data: Rows) -> None:
        """Restore the model from its ``state`` and its retained rows ``data``; ``UnlearningError`` if the state is another model's."""
        oracle = self._oracle(data)
        arrays, progress = opened(state, self._origin(oracle))
        seen = seen_ids(arrays, oracle.ids, progress)
        initial = {"parameters": self.model.initial(self.key)}
        fits(arrays, initial)
        if not progress:
            same(arrays, initial, "this key before training")
        self.oracle, self.progress, self.parameters, self.seen = oracle, progress, arrays["parameters"], seen

    def stored(self) -> list[Stored]:
        """Return the parameters with the ids of all rows that ever entered an answer."""
        return [Stored("parameters", self.seen.copy())]

    def _descend(self, steps: int) -> int:
        """Take gradient steps; return their number, 0 if the oracle holds no rows."""
        if not len(self.oracle):
            return 0
        for _ in range(steps):
            gradient = self.oracle.query(self.model.gradient(self.parameters), self.spec.tolerance)
            self.parameters = self.parameters - self.spec.lr * (gradient + self.spec.penalty * self.parameters)
        return steps

    def _oracle(self, data: Rows) -> Oracle:
        rows = self.design.table.rows(data)
        return Oracle(rows.ids, self._scaled(rows.x), rows.y)

    def _scaled(self, x: npt.NDArray[np.float32]) -> Floats:
        """Return checked features scaled from their public bounds to [-1, 1], and a constant 1, float64 (n, width)."""
        scaled = np.clip((self.design.expand(x) - self._middle) / self._half, -1, 1)
        return np.concatenate([scaled, np.ones((len(scaled), 1))], axis=1)

    def _origin(self, oracle: Oracle) -> str:
        settings = self.spec.model_dump_json()
        return fingerprint("adaptive_queries", settings, self.rounds, self.key, oracle.digest())


def _model(spec: AdaptiveQueries, width: int, classes: int) -> Asking:
    """Return the model that a spec names."""
    if spec.model == "network":
        return Perceptron(width, classes, spec.hidden)
    return (Support if spec.model == "svm" else Logistic)(width, classes)
