"""One network trained in rounds: what plain unlearners have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids, Rows
from clients.models import ModelSpec
from clients.models.network import Network
from clients.streams import Field
from clients.training import Arrays
from clients.unlearning.contract import Problem, State, Stored, Unlearner
from clients.unlearning.tabular import Table

_MODEL = "model/"


class Plain(Unlearner[Rows, Ids]):
    """A network, the rows it may learn from, and how many rounds it has trained.

    Parameters
    ----------
    base : ModelSpec
        The network's architecture.
    problem : Problem
    key : tuple
        What initial weights and row orders are keyed by.
    """

    def __init__(self, base: ModelSpec, problem: Problem, key: tuple[Field, ...]) -> None:
        self.rounds = problem.rounds
        self.network = Network(base, problem.shape, problem.classes, problem.columns)
        self.table = Table(problem)
        self.settings = problem.training
        self.key = key
        self.rows = Rows(np.empty(0, np.int64), np.empty((0, *problem.shape), np.float32), np.empty(0, np.int64))
        self.progress = 0
        self.weights: Arrays = {}

    def begin(self, data: Rows) -> None:
        """Start anew on ``data``; no rows at all are allowed, and predict every class alike."""
        self.table.rows(data)
        self.rows, self.progress = data, 0
        self.weights = self.network.initial((*self.key, "init"))

    def advance(self) -> int:
        """Train the next round's epochs; return the gradient steps taken."""
        steps = self._train(self.key)
        self.progress += 1
        return steps

    def _train(self, key: tuple[Field, ...]) -> int:
        """Train a round's epochs on the rows at hand."""
        epochs = self.settings.epochs
        self.weights, steps = self.network.train(
            self.weights,
            self.rows.x,
            self.rows.y,
            epochs=range(self.progress * epochs, (self.progress + 1) * epochs),
            ids=self.rows.ids,
            key=key,
            settings=self.settings,
        )
        return steps

    def predict_proba(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return class probabilities, shape (len(x), classes); all alike while nothing has been learned."""
        self.table.features(x)
        if not (self.progress and len(self.rows)):
            return np.full((len(x), self.network.classes), 1 / self.network.classes, np.float32)
        return self.network.probabilities(self.weights, x)

    def state(self) -> State:
        """Return progress and weights."""
        weights = {_MODEL + name: array for name, array in self.weights.items()}
        return {"progress": np.array([self.progress]), **weights}

    def restore(self, state: Mapping[str, npt.NDArray[Any]], data: Rows) -> None:
        """Become the model whose ``state`` this is and whose retained rows are ``data``."""
        self.rows, self.progress = data, int(state["progress"][0])
        self.weights = {name.removeprefix(_MODEL): array for name, array in state.items() if name.startswith(_MODEL)}

    def stored(self) -> list[Stored]:
        """List the weights, which all rows have influenced once a round was trained."""
        return [Stored("model", self.rows.ids if self.progress else self.rows.ids[:0])]
