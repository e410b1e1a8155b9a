"""The common base class of learners from sums."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids, Rows
from clients.unlearning.contract import Cost, Outcome, Problem, State, Stored, Unlearner, UnlearningError
from clients.unlearning.exact.statistical.fixed import Design, Ints, Sums, kernels, subtract
from clients.unlearning.states import PROGRESS, Signed, fingerprint, opened, same
from clients.unlearning.tabular import Floats, Held, Places, empty

Learned = TypeVar("Learned")

_NOTHING, _TOUCHED = Outcome(Cost(), "exact"), Outcome(Cost(parts=1), "exact")


def part(path: str, told: str) -> Any:
    """Return a property that reads an attribute of a learner, such as ``learned.mean``; ``told`` is its docstring."""
    return property(attrgetter(path), doc=told)


class SumLearner(Unlearner[Rows, Ids], Generic[Learned]):
    """A model that is a function of integer sums over the rows.

    Parameters
    ----------
    problem : Problem
    design : Design
        The features that are summed, and their public scale.
    """

    def __init__(self, problem: Problem, design: Design) -> None:
        self.rounds = problem.rounds
        self.problem = problem
        self.design = design
        self.held = empty(problem)
        self.progress = 0
        self.sums: Sums = {}
        self._learned: Learned | None = None

    @abstractmethod
    def contribution(self, x: npt.NDArray[np.float32], y: npt.NDArray[Any]) -> Sums:
        """Return the sums over checked rows: features (n, width) and labels (n,)."""

    @abstractmethod
    def learn(self) -> Learned:
        """Return the parameters learned from the present sums."""

    @abstractmethod
    def probabilities(self, x: npt.NDArray[np.float32]) -> Floats:
        """Return class probabilities, float64 (n, classes), of checked features; at least one row is known."""

    @abstractmethod
    def check(self, sums: Mapping[str, Ints]) -> None:
        """Raise ``UnlearningError`` if no set of rows can have these sums."""

    @property
    def learned(self) -> Learned:
        """The parameters learned from the sums; computed on first use after a change."""
        if self._learned is None:
            self._learned = self.learn()
        return self._learned

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each sum, by name."""
        nothing = self.contribution(np.empty((0, self.design.table.width), np.float32), np.empty(0, np.int64))
        return {name: array.shape for name, array in nothing.items()}

    @property
    def count(self) -> int:
        """Number of rows in the sums."""
        return int(self.sums["n"][0]) if self.sums else 0

    def begin(self, data: Rows) -> None:
        """Start anew on ``data``, which may be empty."""
        self.held, self.progress, self.sums, self._learned = Held(self._checked(data)), 0, {}, None

    def _checked(self, data: Rows) -> Rows:
        rows = self.design.table.rows(data)
        self.design.check(len(rows))
        self.check_labels(rows.y, rows.ids)
        return rows

    def check_labels(self, y: npt.NDArray[Any], ids: Ids) -> None:
        """Raise ``UnlearningError`` on labels that this learner cannot use; by default all are accepted."""

    def advance(self) -> int:
        """Sum the rows in the first round; later rounds do nothing."""
        if not self.sums:
            rows = self.held.kept()
            self.adopt(self.contribution(rows.x, rows.y))
        self.progress += 1
        return 0

    def adopt(self, sums: Mapping[str, Ints]) -> None:
        """Replace the sums, for example by those of all peers; the held rows do not change."""
        self.sums = {name: np.array(array, dtype=np.int64) for name, array in sums.items()}
        self._learned = None

    def named(self, ids: npt.ArrayLike) -> Sums:
        """Return the sums over the held rows with these ids, which a peer sends or asks the coordinator to subtract."""
        places = self.held.find(ids)
        return self.contribution(self.held.rows.x[places], self.held.rows.y[places])

    def forget(self, request: Ids) -> Outcome:
        """Subtract the named rows from the sums; the cost is one part, whatever the number of rows."""
        places = self.held.find(request)
        if not len(places):
            return _NOTHING
        if self.sums:
            self.take_out(places)
            self._learned = None
        self.held.drop(places)
        return _TOUCHED if self.sums else _NOTHING

    def add(self, data: Rows) -> Outcome:
        """Add rows with ids never held before to the sums; the model then equals one that always had them.

        ``UnlearningError`` if an id is or was held, or the sums become too large to be exact; nothing has changed then.
        """
        more = self._checked(data)
        joined = self.held.joined(more)
        self.design.check(joined.count)
        if self.sums:
            self.adopt({name: self.sums[name] + array for name, array in self.contribution(more.x, more.y).items()})
        self.held = joined
        return _TOUCHED if self.sums and len(more) else _NOTHING

    def correct(self, data: Rows) -> Outcome:
        """Subtract held rows as they were, and add them as they should have been; the model then equals one that had them so."""
        right = self._checked(data)
        places = self.held.find(right.ids)
        if not len(places):
            return _NOTHING
        if self.sums:
            wrong, added = self.named(right.ids), self.contribution(right.x, right.y)
            self.adopt({name: self.sums[name] - wrong[name] + array for name, array in added.items()})
        self.held = self.held.replaced(right)
        return _TOUCHED if self.sums else _NOTHING

    def take_out(self, places: Places) -> None:
        """Subtract the rows at these positions from the sums."""
        subtract(self.sums, self.contribution(self.held.rows.x[places], self.held.rows.y[places]))

    def predict_proba(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return class probabilities, shape (len(x), classes); uniform without rows."""
        features = self.design.table.features(x)
        if not self.count:
            return np.full((len(features), self.outputs), 1 / self.outputs, np.float32)
        return self.probabilities(features).astype(np.float32)

    @property
    def outputs(self) -> int:
        """Number of columns of the probabilities."""
        return self.problem.classes

    def state(self) -> State:
        """Return progress and sums."""
        return Signed({PROGRESS: np.array([self.progress]), **self.sums}, self._origin(self.held.kept()))

    def restore(self, state: Mapping[str, npt.NDArray[Any]], data: Rows) -> None:
        """Restore the model from its ``state``; ``UnlearningError`` unless its sums equal those over ``data`` byte for byte."""
        rows = self._checked(data)
        arrays, progress = opened(state, self._origin(rows))
        sums = self.contribution(rows.x, rows.y) if progress else {}
        same(arrays, sums, f"{len(rows)} rows given")
        self.held, self.progress, self._learned = Held(rows), progress, None
        self.sums = {name: np.array(array, dtype=np.int64) for name, array in sums.items()}

    def _origin(self, rows: Rows) -> str:
        return fingerprint(type(self).__name__, self.design.low, self.design.high, rows.ids, rows.x, rows.y)

    def stored(self) -> list[Stored]:
        """Return the sums, which depend on every held row."""
        return [Stored("sums", self.held.ids() if self.sums else self.held.ids()[:0])]


def softmax(scores: Floats) -> Floats:
    """Return the rows' softmax, float64 (n, k); -inf scores become 0."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def one_hot(y: npt.NDArray[Any], classes: int) -> Ints:
    """Return labels (n,) as 0/1 rows, int64 (n, classes)."""
    return np.asarray(np.asarray(y)[:, None] == np.arange(classes), dtype=np.int64)


def check_counts(sums: Mapping[str, Ints], names: tuple[str, ...]) -> None:
    """Raise ``UnlearningError`` naming a sum that is negative although its terms cannot be."""
    for name in names:
        if (sums[name] < 0).any():
            raise UnlearningError(f"sums: {name} falls to {int(sums[name].min())}, below 0: more is taken out than was given")


def check_scatter(second: npt.NDArray[np.int64], first: npt.NDArray[np.int64], n: int) -> None:
    """Raise ``UnlearningError`` if no n rows have these first and second moments by limbs: the scatter must be positive semidefinite."""
    if not n:
        if first.any() or second.any():
            raise UnlearningError("sums: no row is left but the sums are not 0: take out exactly what was given")
        return
    scatter = kernels().centred(n, first, second, np.ones(first.shape[1]))
    deviations = np.sqrt(np.maximum(np.diag(scatter), 1.0))
    smallest = float(np.linalg.eigvalsh(scatter / deviations[:, None] / deviations)[0])
    if smallest < -1e-6 or (np.diag(scatter) < -0.5 * n).any():
        raise UnlearningError(f"sums: second moments have the eigenvalue {smallest:.3g}, below 0: more is taken out than was given")
