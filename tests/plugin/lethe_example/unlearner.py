"""An unlearner: the nearest class mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids, Rows
from clients.streams import Field
from clients.unlearning.contract import Cost, ExactSpec, Outcome, Problem, State, Stored, Unlearner
from clients.unlearning.requests import named_rows
from clients.unlearning.tabular import Table


class Centroids(ExactSpec):
    """Answers with the class whose mean is nearest; ``sharpness`` says how surely."""

    implementation: ClassVar[str] = "lethe_example.unlearner:NearestMean"
    summary: ClassVar[str] = "nearest class mean, computed again from what is kept"
    source: ClassVar[str] = "an example"
    kind: Literal["centroids"] = "centroids"
    sharpness: float = 1.0


class NearestMean(Unlearner[Rows, Ids]):
    """Class means of the rows that are kept."""

    def __init__(self, spec: Centroids, problem: Problem, key: tuple[Field, ...]) -> None:
        self.rounds = problem.rounds
        self.sharpness = spec.sharpness
        self.table = Table(problem)
        self.begin(Rows(np.empty(0, np.int64), np.empty((0, *problem.shape), np.float32), np.empty(0, np.int64)))

    def begin(self, data: Rows) -> None:
        """Start anew on ``data``."""
        self.rows = self.table.rows(data)
        self.means: npt.NDArray[np.float64] | None = None

    def advance(self) -> int:
        """Compute the means in the first round."""
        if self.means is None:
            self.means = self._means()
        return 0

    def _means(self) -> npt.NDArray[np.float64]:
        """Return the mean of each class, zeros where it has no row."""
        means = np.zeros((self.table.classes, self.table.width))
        for label in np.unique(self.rows.y):
            means[label] = self.rows.x[self.rows.y == label].mean(axis=0, dtype=np.float64)
        return means

    def predict_proba(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return the softmax of negative squared distances; all classes alike while nothing has been learned."""
        flat = self.table.features(x)
        if self.means is None or not len(self.rows):
            return np.full((len(flat), self.table.classes), 1 / self.table.classes, np.float32)
        logits = -self.sharpness * ((flat[:, None, :] - self.means) ** 2).sum(axis=2)
        logits[:, np.bincount(self.rows.y, minlength=self.table.classes) == 0] = -np.inf
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)

    def forget(self, request: Ids) -> Outcome:
        """Drop the rows and compute the means again."""
        ids = named_rows(request, self.rows.ids)
        if not len(ids):
            return Outcome(Cost(), "exact")
        self.rows = self.rows.without(ids)
        if self.means is not None:
            self.means = self._means()
        return Outcome(Cost(parts=1), "exact")

    def state(self) -> State:
        """Return the means, none before the first round."""
        return {} if self.means is None else {"means": self.means}

    def restore(self, state: Mapping[str, npt.NDArray[Any]], data: Rows) -> None:
        """Become the model whose ``state`` this is."""
        self.begin(data)
        self.means = state.get("means")

    def stored(self) -> list[Stored]:
        """List the rows and the means."""
        learned = self.rows.ids if self.means is not None else self.rows.ids[:0]
        return [Stored("rows", self.rows.ids), Stored("means", learned)]
