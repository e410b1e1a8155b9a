"""The common base class of the estimators: an adapter from users' tables to unlearners."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from copy import deepcopy
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from clients.data.facts import ColumnFacts
from clients.data.rows import Rows
from clients.unlearning import UNLEARNERS
from clients.unlearning.contract import Outcome, Problem, Unlearner, UnlearnerSpec, UnlearningError
from clients.unlearning.requests import whole_ids
from simulator.estimators import cells
from simulator.estimators.facts import Facts
from simulator.estimators.settings import Settings


class Estimator(BaseEstimator):  # type: ignore[misc]
    """A learner that can be asked to forget; the two public subclasses define the predictions."""

    facts_: Facts
    unlearner_: Any

    def __init__(self, method: Any, *, columns: Any, training: Any, random_state: Any) -> None:
        self.method = method
        self.columns = columns
        self.training = training
        self.random_state = random_state

    def fit(self, X: Any, y: Any, ids: Any = None) -> Self:
        """Train from scratch.

        Parameters
        ----------
        X : DataFrame, or array-like of numbers, shape (n, p)
            Columns of a data frame that hold text, booleans or a categorical type are categories.
        y : array-like, shape (n,)
        ids : array-like of int, shape (n,), optional
            Permanent, unique ids of the rows, by which they can be forgotten; default: ``0 .. n - 1``.

        Raises
        ------
        ValueError
            One line that names the row, column or setting, and a remedy. Its subclass ``UnlearningError`` if the method refuses.
        """
        self.__dict__.pop("unlearner_", None)  # a failed fit must not leave the old model next to the facts of other rows
        settings = Settings.of(self.method, self.columns, self.training, self.random_state)
        spec = self._taken(settings.spec)
        x = self._read(X, y, settings.columns)
        targets, classes, read_off = self._targets(y)
        columns = tuple(one.column for one in self.facts_.columns)
        problem = Problem((len(columns),), classes, columns=columns, training=settings.training)
        rows = _named(x, targets, ids, len(x))
        if refused := spec.check(problem, rows):
            raise UnlearningError(refused)
        unlearner: Unlearner[Any, Any] = spec.build(problem, ("estimator", settings.random_state))
        unlearner.fit(rows)
        self.unlearner_ = unlearner
        self.guarantee_ = _guarantee(spec.claim, self.facts_.read_off + read_off)
        return self

    def forget(self, ids: Any, X: Any = None, y: Any = None) -> Outcome:
        """Forget the rows with these ids and return the outcome: cost and guarantee.

        Methods that keep statistics instead of rows need the rows themselves, ``X`` and ``y``, as they were in ``fit``; the others do not
        read them. ``UnlearningError``, and nothing has changed, for an id that is no integer, named twice, or not held.
        """
        check_is_fitted(self, "unlearner_")
        named = _integers(ids)
        spec = Settings.of(self.method, self.columns, self.training, self.random_state).spec
        outcome: Outcome = self.unlearner_.forget(self._rows_of(named, X, y, spec.tag) if spec.needs_rows else named)
        return outcome

    def _rows_of(self, ids: npt.NDArray[np.int64], X: Any, y: Any, method: str) -> Rows:
        """Return the rows of a request, in its order."""
        if X is None or y is None:
            raise UnlearningError(f"forget: {method} has kept none of the rows: give X and y beside their ids")
        x = self._encoded(cells.read(self, X, self._kinds, reset=False), "predict")
        check_consistent_length(X, y, ids)
        return Rows(ids, x, self._known_targets(y))

    @available_if(lambda self: Settings.of(self.method, None, None, 0).spec.adds)  # type: ignore[untyped-decorator]
    def add(self, X: Any, y: Any, ids: Any) -> Self:
        """Learn more rows, with ids never held before; the model then equals one that always had them (SISA's, in their last slices).

        Available for methods whose sums, trees or slices allow it. Facts do not change: values beyond them are treated as in ``predict``.
        """
        check_is_fitted(self, "unlearner_")
        x = self._encoded(cells.read(self, X, self._kinds, reset=False), "add")
        check_consistent_length(X, y)
        self.unlearner_.add(_named(x, self._known_targets(y), ids, len(x)))
        return self

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "unlearner_" in state:  # joblib hands arrays over in read-only memory maps; a forest writes in its own
            self.unlearner_ = deepcopy(self.unlearner_)

    @abstractmethod
    def _taken(self, spec: UnlearnerSpec) -> UnlearnerSpec:
        """Return the spec; ``ValueError`` if it cannot learn these targets."""

    @abstractmethod
    def _targets(self, y: Any) -> tuple[npt.NDArray[Any], int, list[str]]:
        """Return what is learned, shape (n,), the number of classes, and in words which facts were read off ``y``; keep the facts."""

    @abstractmethod
    def _known_targets(self, y: Any) -> npt.NDArray[Any]:
        """Return the targets of further rows, encoded by the stored facts."""

    @property
    def columns_(self) -> list[dict[str, Any]]:
        """The public facts of the columns, in the format of ``columns``."""
        check_is_fitted(self, "unlearner_")
        return [one.model_dump(exclude_none=True) for one in self.facts_.columns]

    @property
    def _kinds(self) -> list[str | None]:
        return [one.kind for one in self.facts_.columns]

    def _read(self, X: Any, y: Any, declared: Sequence[ColumnFacts] | None) -> npt.NDArray[np.float32]:
        """Return the rows of a table to learn from as unlearners take them; keep its facts."""
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        told = _in_order(X, declared)
        found = cells.read(self, X, None if told is None else [one.told for one in told], reset=True)
        check_consistent_length(X, y)
        self.facts_ = Facts.of(told or [ColumnFacts(name=one.name) for one in found], found)
        return self._encoded(found, "fit")

    def _encoded(self, found: list[cells.Cells], when: str) -> npt.NDArray[np.float32]:
        """Return rows as unlearners take them; warn of cells that are beyond the facts."""
        x, beyond = self.facts_.encoded(found)
        if beyond and when != "predict":
            told = ", ".join(f"{name} ({count})" for name, count in beyond.items())
            warnings.warn(f"{when}: values beyond the known facts count as the bound, or as other: {told}", stacklevel=3)
        return x

    def _inputs(self, X: Any) -> npt.NDArray[np.float32]:
        """Return rows for prediction, encoded for unlearners."""
        check_is_fitted(self, "unlearner_")
        return self._encoded(cells.read(self, X, self._kinds, reset=False), "predict")


def able(wanted: str) -> str:
    """Return the kinds of unlearners of rows that say they can do something, in words."""
    return ", ".join(kind for kind, spec in UNLEARNERS.working().items() if spec.unit == "rows" and getattr(spec, wanted))


def _in_order(X: Any, declared: Sequence[ColumnFacts] | None) -> list[ColumnFacts] | None:
    """Return what is declared in the order of the columns of ``X``: by name in a data frame, else as it stands."""
    if declared is None or not isinstance(X, pd.DataFrame):
        return None if declared is None else list(declared)
    known, names = {one.name: one for one in declared}, cells.names_of(X)
    if len(known) < len(declared):
        raise ValueError(f"columns: {sorted(one.name for one in declared)} names a column twice: describe each once")
    if surplus := sorted(known.keys() - set(names)):
        raise ValueError(f"columns: {surplus[0]!r} is no column of X: correct its name, or leave it out")
    return [known.get(name, ColumnFacts(name=name)) for name in names]


def _integers(ids: Any) -> npt.NDArray[np.int64]:
    return whole_ids(np.asarray(ids) if isinstance(ids, pd.Series | pd.Index) else ids)


def _named(x: npt.NDArray[np.float32], y: npt.NDArray[Any], ids: Any, count: int) -> Rows:
    """Return rows in the order of their ids."""
    names = np.arange(count) if ids is None else _integers(ids)
    if len(names) != count:
        raise ValueError(f"ids: there are {len(names)} for {count} rows: give each row one")
    order = np.argsort(names, kind="stable")
    return Rows(names[order], x[order], y[order])


def _guarantee(promised: str, read_off: list[str]) -> str:
    """Return the guarantee in words, with the facts that it assumes."""
    if not read_off:
        return promised
    return f"{promised}, given what was read off the rows and stays when they go: {', '.join(read_off)}"
