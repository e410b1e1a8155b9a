"""What learners of rows share: the public facts of the features, and the rows at hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids, Rows
from clients.unlearning.contract import Problem, UnlearningError

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]


class Table:
    """Public facts of the features, after flattening an input to ``width`` numbers.

    Parameters
    ----------
    problem : Problem
        Its ``columns`` give bounds and categories; where they are empty, every feature is numeric within ``bounds``.
    bounds : tuple of float
        Public (low, high) of features without a column.

    Attributes
    ----------
    low, high : float64 array, shape (width,)
    categories : int64 array, shape (width,)
        Number of categories, 0 for a numeric feature.
    """

    def __init__(self, problem: Problem, bounds: tuple[float, float] = (0.0, 1.0)) -> None:
        width = int(np.prod(problem.shape))
        columns = problem.columns
        if columns and len(columns) != width:
            raise UnlearningError(f"columns: {len(columns)} are described but an input has {width} features: describe each, or none")
        self.width = width
        self.columns = columns
        self.categorical = any(c.categories for c in columns)
        self.classes = problem.classes
        self.names = [c.name for c in columns] or [f"x{j}" for j in range(width)]
        self.low = np.array([c.low for c in columns] or [bounds[0]] * width, dtype=np.float64)
        self.high = np.array([c.high for c in columns] or [bounds[1]] * width, dtype=np.float64)
        self.categories = np.array([c.categories for c in columns] or [0] * width, dtype=np.int64)
        if (self.high < self.low).any():
            j = int(np.argmax(self.high < self.low))
            raise UnlearningError(f"column {self.names[j]}: high {self.high[j]} lies below low {self.low[j]}: swap them")

    def features(self, x: npt.NDArray[Any], ids: Ids | None = None) -> npt.NDArray[np.float32]:
        """Return ``x`` as float32, shape (n, width); ``UnlearningError`` names a value that is not finite or an unseen category."""
        if not len(x):
            return np.empty((0, self.width), np.float32)
        flat = np.ascontiguousarray(np.asarray(x, dtype=np.float32).reshape(len(x), -1))
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
        """Return checked rows with flat inputs and labels of their own memory; ``UnlearningError`` on what cannot be learned."""
        ids = np.array(data.ids, dtype=np.int64)
        if (ids[1:] <= ids[:-1]).any():
            raise UnlearningError(f"rows: id {ids[1:][ids[1:] <= ids[:-1]][0]} is repeated or out of order: sort the ids, name each once")
        x = self.features(data.x, ids).copy()
        y = np.asarray(data.y)
        if len(y) != len(ids) or len(x) != len(ids):
            raise UnlearningError(f"rows: {len(ids)} ids, {len(x)} inputs and {len(y)} labels: give as many of each")
        if self.classes > 1:
            wrong = (y < 0) | (y >= self.classes) | (y != np.floor(y))
            if wrong.any():
                raise UnlearningError(
                    f"row {ids[wrong][0]}: label {y[wrong][0]} is none of the {self.classes} classes: use 0 to {self.classes - 1}"
                )
            y = y.astype(np.int64)
        return Rows(ids, x, y.copy())


class Held:
    """The rows a learner has; forgetting one costs the same however many there are.

    Attributes
    ----------
    rows : Rows
        All rows given; those forgotten are overwritten with zeros.
    alive : uint8 array, shape (n,)
        1 where the row is still held.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.alive = np.ones(len(rows), dtype=np.uint8)
        self.count = len(rows)

    def find(self, request: npt.ArrayLike) -> Places:
        """Return the places of the requested ids; ``UnlearningError`` naming the first that is repeated or not held."""
        wanted = np.asarray(request)
        ids = np.sort(wanted.reshape(-1)).astype(np.int64) if wanted.size != 1 else wanted.astype(np.int64).reshape(1)
        if wanted.size > 1 and (ids[1:] == ids[:-1]).any():
            raise UnlearningError(f"row {ids[1:][ids[1:] == ids[:-1]][0]} is named twice in one request: name it once")
        places = self.rows.ids.searchsorted(ids)
        if wanted.size == 1:
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
        """Forget the rows at these places: their inputs and labels are overwritten with zeros."""
        gone = places if len(places) != 1 else int(places[0])  # an int costs a third of an array
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


def empty(problem: Problem) -> Held:
    """Return a holding of no rows."""
    width = int(np.prod(problem.shape))
    return Held(Rows(np.empty(0, np.int64), np.empty((0, width), np.float32), np.empty(0, np.int64)))
