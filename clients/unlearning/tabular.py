"""Shared parts of tabular learners: public facts about the features, and the held rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids, Rows
from clients.unlearning.contract import Problem, UnlearningError
from clients.unlearning.requests import require_new, whole_ids

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]


class Table:
    """Public facts about the features of inputs flattened to ``width`` numbers.

    Parameters
    ----------
    problem : Problem
        Its ``columns`` give bounds and categories; if there are none, every feature is numeric within ``bounds``.
    bounds : tuple of float, optional
        Public (low, high) of features without a column; by default these are unbounded.

    Attributes
    ----------
    low, high : float64 array, shape (width,)
        Bounds; 0 and 1 if none are declared, which are then not enforced.
    categories : int64 array, shape (width,)
        Number of categories, 0 for a numeric feature.
    """

    def __init__(self, problem: Problem, bounds: tuple[float, float] | None = None) -> None:
        width = int(np.prod(problem.shape))
        columns = problem.columns
        if columns and len(columns) != width:
            raise UnlearningError(f"columns: {len(columns)} are described but an input has {width} features: describe each, or none")
        self.shape, self.width = problem.shape, width
        self.columns = columns
        self.categorical = any(c.categories for c in columns)
        self.classes = problem.classes
        self.names = [c.name for c in columns] or [f"x{j}" for j in range(width)]
        low, high = bounds or (0.0, 1.0)
        self.low = np.array([c.low for c in columns] or [low] * width, dtype=np.float64)
        self.high = np.array([c.high for c in columns] or [high] * width, dtype=np.float64)
        self.categories = np.array([c.categories for c in columns] or [0] * width, dtype=np.int64)
        if (self.high < self.low).any():
            j = int(np.argmax(self.high < self.low))
            raise UnlearningError(f"column {self.names[j]}: high {self.high[j]} lies below low {self.low[j]}: swap them")

        numeric = (self.categories == 0) & bool(columns or bounds)
        with np.errstate(over="ignore"):  # a bound beyond the float32 range becomes infinite, which excludes no float32
            low32, high32 = self.low.astype(np.float32), self.high.astype(np.float32)
        self._floor = np.where(numeric, np.nextafter(low32, np.float32(-np.inf)), np.float32(-np.inf))
        self._ceiling = np.where(numeric, np.nextafter(high32, np.float32(np.inf)), np.float32(np.inf))
        self._low32, self._high32 = low32, high32

    def features(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return prediction inputs as float32, shape (n, width), with values clipped to their declared bounds.

        ``UnlearningError`` names a value that is not finite or an unknown category.
        """
        flat = self._numbers(x, None)
        if self._beyond(flat).any():
            flat = np.where(flat < self._floor, self._low32, np.where(flat > self._ceiling, self._high32, flat))
        return flat

    def _beyond(self, flat: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """Return which values exceed their declared bounds by more than a rounding error, bool (n, width)."""
        return np.asarray((flat < self._floor) | (flat > self._ceiling), dtype=np.bool_)

    def _numbers(self, x: npt.NDArray[Any], ids: Ids | None) -> npt.NDArray[np.float32]:
        """Return ``x`` as float32, shape (n, width), after checking that values are finite and categories known."""
        try:
            if not len(x):
                return np.empty((0, self.width), np.float32)
            with np.errstate(over="ignore"):
                flat = np.ascontiguousarray(np.asarray(x, dtype=np.float32).reshape(len(x), -1))
        except (TypeError, ValueError) as error:
            raise UnlearningError(f"x: holds what is no number ({error}): give an array of numbers") from None
        if flat.shape[1] != self.width:
            raise UnlearningError(f"x: {flat.shape[1]} features a row, the problem has {self.width}: give inputs of its shape")
        wrong = ~np.isfinite(flat)
        if self.categorical:
            kinds = self.categories > 0
            codes = flat[:, kinds]
            wrong[:, kinds] |= (codes < 0) | (codes >= self.categories[kinds]) | (codes != np.floor(codes))
        if wrong.any():
            i, j = (int(k) for k in np.argwhere(wrong)[0])
            row = i if ids is None else int(ids[i])
            cure = f"use a code 0 to {self.categories[j] - 1}" if self.categories[j] else "fill or remove it"
            raise UnlearningError(f"row {row}, column {self.names[j]}: {flat[i, j]} is no possible value: {cure}")
        return flat

    def rows(self, data: Rows) -> Rows:
        """Return copies of the rows, checked, with flattened inputs.

        ``UnlearningError`` if ids are not ascending integers, values are not finite or lie outside their declared bounds, categories are
        unknown, or labels are not classes.
        """
        ids = whole_ids(data.ids)
        if (ids[1:] <= ids[:-1]).any():
            raise UnlearningError(f"rows: id {ids[1:][ids[1:] <= ids[:-1]][0]} is repeated or out of order: sort the ids, name each once")
        y = np.asarray(data.y)
        if y.shape != ids.shape or len(data.x) != len(ids):
            raise UnlearningError(f"rows: {len(ids)} ids, {len(data.x)} inputs and {len(y)} labels: give as many of each")
        x = self._numbers(data.x, ids).copy()
        wrong = self._beyond(x)
        if wrong.any():
            i, j = (int(k) for k in np.argwhere(wrong)[0])
            raise UnlearningError(
                f"row {ids[i]}, column {self.names[j]}: {x[i, j]} lies outside the public range "
                f"[{self.low[j]:g}, {self.high[j]:g}]: set low and high"
            )
        return Rows(ids, x, self._labels(y, ids))

    def shaped(self, data: Rows) -> Rows:
        """Return checked copies of the rows like ``rows``, with inputs of the problem's shape."""
        rows = self.rows(data)
        return Rows(rows.ids, rows.x.reshape(len(rows), *self.shape), rows.y)

    def _labels(self, y: npt.NDArray[Any], ids: Ids) -> npt.NDArray[Any]:
        """Return copies of the labels: int64 classes, or numbers if there is one class only."""
        if len(y) and y.dtype.kind not in "biuf":
            raise UnlearningError(f"row {ids[0]}: label {y[0]!r} is no number: use 0 to {self.classes - 1}")
        wrong = ~np.isfinite(y) if self.classes == 1 else (y < 0) | (y >= self.classes) | (y != np.floor(y))
        if wrong.any():
            classes = f"none of the {self.classes} classes: use 0 to {self.classes - 1}"
            cure = classes if self.classes > 1 else "no finite number: fill or remove it"
            raise UnlearningError(f"row {ids[wrong][0]}: label {y[wrong][0]} is {cure}")
        return y.astype(np.int64) if self.classes > 1 else y.copy()


class Held:
    """The rows that a learner holds; forgetting one row takes the same time for any number of rows.

    Parameters
    ----------
    rows : Rows
        Checked copies.
    retired : int64 array, optional
        Ids that were held before and must not be added again.

    Attributes
    ----------
    rows : Rows
        All rows given; those forgotten are overwritten with zeros.
    alive : uint8 array, shape (n,)
        1 where the row is still held.
    """

    def __init__(self, rows: Rows, retired: Ids | None = None) -> None:
        self.rows = rows
        self.alive = np.ones(len(rows), dtype=np.uint8)
        self.count = len(rows)
        self._retired: Ids = np.empty(0, np.int64) if retired is None else retired

    def find(self, request: npt.ArrayLike) -> Places:
        """Return the positions of the requested ids; ``UnlearningError`` names the first that is not an integer, repeated or not held."""
        ids = whole_ids(request)
        if len(ids) > 1:
            ids.sort()
            if (ids[1:] == ids[:-1]).any():
                raise UnlearningError(f"row {ids[1:][ids[1:] == ids[:-1]][0]} is named twice in one request: name it once")
        places = self.rows.ids.searchsorted(ids)
        if len(ids) == 1:
            place = int(places[0])
            if place < len(self.rows.ids) and self.rows.ids[place] == ids[0] and self.alive[place]:
                return places
            strangers = ids
        else:
            inside = np.minimum(places, max(len(self.rows.ids) - 1, 0))
            held = (self.rows.ids[inside] == ids) & (self.alive[inside] == 1) if len(self.rows.ids) else np.zeros(len(ids), bool)
            strangers = ids[~held]
        if len(strangers):
            raise UnlearningError(f"row {strangers[0]} is not held (never given, or already forgotten): name only rows that are held")
        return places

    def drop(self, places: Places) -> None:
        """Forget the rows at these positions: overwrite their inputs and labels with zeros."""
        gone = places if len(places) != 1 else int(places[0])  # indexing by an int takes a third of the time
        self.alive[gone] = 0
        self.rows.x[gone] = 0
        self.rows.y[gone] = 0
        self.count -= len(places)

    def ids(self) -> Ids:
        """Return the ids of the rows that are held, ascending."""
        held: Ids = self.rows.ids[self.alive == 1]
        return held

    def kept(self) -> Rows:
        """Return the rows that are held."""
        return self.rows.keep(self.alive == 1)

    def packed(self) -> Held:
        """Return a copy that contains held rows only; the ids of the others stay retired."""
        return Held(self.kept(), self._past())

    def joined(self, more: Rows) -> Held:
        """Return a copy with further checked rows added, sorted by id; ``UnlearningError`` if an id is or was held."""
        require_new(more.ids, np.union1d(self.rows.ids, self._retired))
        return Held(self.kept().joined(more), self._past())

    def replaced(self, right: Rows) -> Held:
        """Return a copy in which held rows are replaced by checked ones with the same ids."""
        return Held(self.kept().without(right.ids).joined(right), self._past())

    def _past(self) -> Ids:
        return np.union1d(self._retired, self.rows.ids[self.alive == 0])


def empty(problem: Problem) -> Held:
    """Return a ``Held`` without rows."""
    width = int(np.prod(problem.shape))
    return Held(Rows(np.empty(0, np.int64), np.empty((0, width), np.float32), np.empty(0, np.int64)))
