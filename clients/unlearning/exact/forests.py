"""Common base of the exact forests, whose trees are a pure function of the held rows, the settings and the key."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids, Rows
from clients.streams import Field, key_hash
from clients.unlearning.contract import Problem, Unlearner, UnlearningError
from clients.unlearning.states import PROGRESS, fingerprint, opened, same
from clients.unlearning.tabular import Held, Table, empty


class ExactForest(Unlearner[Rows, Ids]):
    """The rows, the progress and the trees' keys of a forest; a subclass has the trees.

    Parameters
    ----------
    settings : UnlearnerSpec
        The forest's spec, of which this class reads ``trees``.
    problem : Problem
        Shape, columns and classes of the data.
    key : tuple
        Key of every random choice.
    bounds : tuple of float, optional
        Public (low, high) of features without a column.

    Raises
    ------
    UnlearningError
        If the problem has fewer than two classes.
    """

    settings: Any
    """The subclass's spec."""

    def __init__(self, settings: Any, problem: Problem, key: tuple[Field, ...], bounds: tuple[float, float] | None = None) -> None:
        if problem.classes < 2:
            raise UnlearningError(f"{settings.tag}: the problem has one class: it needs at least two")
        self.rounds = problem.rounds
        self.settings, self.problem = settings, problem
        self.table = Table(problem, bounds)
        self.keys = np.array([key_hash(*key, "tree", t) for t in range(settings.trees)], dtype=np.uint64)
        self.held = empty(problem)
        self.progress = 0

    @abstractmethod
    def _clear(self) -> None:
        """Discard the trees."""

    @abstractmethod
    def _plant(self) -> None:
        """Grow the trees from the held rows."""

    @abstractmethod
    def _link(self) -> None:
        """Make arrays views of each other again that are so in a forest that was never copied."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Become the copy of a forest: copies and pickles hold each array by itself."""
        vars(self).update(state)
        self._link()

    def begin(self, data: Rows) -> None:
        """Start again with ``data``, which may be empty or of one class only."""
        self.held, self.progress = Held(self.table.rows(data)), 0
        self._clear()

    def advance(self) -> int:
        """Grow the trees in the first round; later rounds change nothing. Return the gradient steps, which are 0."""
        if not self.progress:
            self._plant()
        self.progress += 1
        return 0

    @abstractmethod
    def _ask(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64] | None:
        """Return class shares of checked inputs (n, width), summed over the trees, (n, classes); None without trees."""

    def predict_proba(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return the trees' mean class shares, float32 (len(x), classes); uniform without rows."""
        features, classes = self.table.features(x), self.problem.classes
        total = self._ask(features) if self.held.count else None
        if total is None:
            return np.full((len(features), classes), 1 / classes, np.float32)
        return np.asarray(total / total.sum(axis=1, keepdims=True), dtype=np.float32)

    def restore(self, state: Mapping[str, npt.NDArray[Any]], data: Rows) -> None:
        """Grow the trees again from ``data``, which determine them; ``UnlearningError`` unless their state is the given one."""
        other = type(self)(self.settings, self.problem, ())
        other.keys = self.keys
        other.begin(data)
        arrays, progress = opened(state, other._origin())
        if progress:
            other.advance()
        same(arrays, {name: array for name, array in other.state().items() if name != PROGRESS}, "a forest on these rows")
        other.progress = progress
        vars(self).update(vars(other))

    def _origin(self) -> str:
        """Return the fingerprint of everything that determines the trees."""
        rows = self.held.kept()
        return fingerprint(self.settings.model_dump_json(), self.problem.classes, self.keys, rows.ids, rows.x, rows.y)
