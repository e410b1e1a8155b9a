"""One network trained in rounds: the common base class of plain unlearners."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids, Rows
from clients.models.network import Network
from clients.streams import Field
from clients.training import Arrays
from clients.unlearning.contract import Problem, State, Stored, Unlearner
from clients.unlearning.one_network import OneNetwork
from clients.unlearning.states import PROGRESS, Signed, fingerprint, fits, opened, same
from clients.unlearning.tabular import Table

_MODEL = "model/"


class Plain(Unlearner[Rows, Ids]):
    """A network, its training rows, and the number of rounds it has trained.

    Parameters
    ----------
    spec : OneNetwork
        Its ``base`` is the network's architecture.
    problem : Problem
    key : tuple
        Key of initial weights and row orders.
    """

    def __init__(self, spec: OneNetwork, problem: Problem, key: tuple[Field, ...]) -> None:
        self.rounds = problem.rounds
        self.problem = problem
        self.network = Network(spec.base, problem.shape, problem.classes, problem.columns, problem.device)
        self.table = Table(problem)
        self.settings = problem.training
        self.key = key
        self.rows = Rows(np.empty(0, np.int64), np.empty((0, *problem.shape), np.float32), np.empty(0, np.int64))
        self.progress = 0
        self.weights: Arrays = {}

    def begin(self, data: Rows) -> None:
        """Start anew on ``data``, which may be empty; all classes are then equally probable."""
        self.rows, self.progress = self.table.shaped(data), 0
        self.weights = self._initial()

    def continue_from(self, weights: Arrays, progress: int) -> None:
        """Go on from weights that were trained elsewhere, on the present rows, for ``progress`` rounds."""
        self.weights, self.progress = weights, progress

    def advance(self) -> int:
        """Train the next round's epochs; return the gradient steps taken."""
        steps = self._train(self.key)
        self.progress += 1
        return steps

    def _initial(self) -> Arrays:
        return self.network.initial((*self.key, "init"))

    def _train(self, key: tuple[Field, ...]) -> int:
        """Train one round's epochs on the present rows; return the gradient steps."""
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
        """Return class probabilities, shape (len(x), classes); uniform before training."""
        features = self.table.features(x).reshape(len(x), *self.problem.shape)
        if not (self.progress and len(self.rows)):
            return np.full((len(x), self.network.classes), 1 / self.network.classes, np.float32)
        return self.network.probabilities(self.weights, features)

    def state(self) -> State:
        """Return progress and weights."""
        return Signed({PROGRESS: np.array([self.progress]), **_named(self.weights)}, self._origin(self.rows))

    def restore(self, state: Mapping[str, npt.NDArray[Any]], data: Rows) -> None:
        """Restore the model from its ``state`` and its retained rows ``data``.

        ``UnlearningError`` if the state has other names, dtypes or shapes, or belongs to other rows, another key or other settings. Rows,
        key and settings are checked by the fingerprint: trained weights imply none of them, untrained ones imply only the key.
        """
        rows = self.table.shaped(data)
        arrays, progress = opened(state, self._origin(rows))
        layout = _named(self.network.layout())
        fits(arrays, layout)
        if not progress:
            same(arrays, _named(self._initial()), "this key before training")
        self.rows, self.progress = rows, progress
        self.weights = {name.removeprefix(_MODEL): arrays[name] for name in layout}

    def _origin(self, rows: Rows) -> str:
        network, settings = repr(self.network), self.settings.model_dump_json()
        return fingerprint(type(self).__name__, network, settings, self.rounds, self.key, rows.ids, rows.x, rows.y)

    def stored(self) -> list[Stored]:
        """Return the weights, which depend on all rows once a round has been trained."""
        return [Stored("model", self.rows.ids.copy() if self.progress else self.rows.ids[:0].copy())]


def _named(weights: Arrays) -> Arrays:
    return {_MODEL + name: array for name, array in weights.items()}
