"""Labelled rows with permanent ids, and the public facts of their columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Labelled rows with permanent ids.

    Parameters
    ----------
    ids : int64 array, shape (n,)
        Assigned once and never reused; ascending, without duplicates.
    x : float32 array, shape (n, ...)
        Inputs.
    y : int64 array, shape (n,)
        Class labels in ``0 .. classes - 1`` (float64 targets for regressors).
    """

    ids: Ids
    x: npt.NDArray[np.float32]
    y: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.ids)

    def keep(self, mask: npt.NDArray[np.bool_]) -> Rows:
        """Return the rows where the mask, shape (n,), is true."""
        return Rows(self.ids[mask], self.x[mask], self.y[mask])

    def without(self, ids: npt.ArrayLike) -> Rows:
        """Return the rows whose id is not among ``ids``."""
        return self.keep(~np.isin(self.ids, np.asarray(ids, dtype=np.int64)))

    def joined(self, more: Rows) -> Rows:
        """Return the rows together with others, which have other ids, in ascending order of id."""
        ids = np.concatenate([self.ids, more.ids])
        order = np.argsort(ids)
        return Rows(ids[order], np.concatenate([self.x, more.x])[order], np.concatenate([self.y, more.y])[order])

    def only(self, ids: npt.ArrayLike) -> Rows:
        """Return the rows whose id is among ``ids``, in ascending order of id."""
        return self.keep(np.isin(self.ids, np.asarray(ids, dtype=np.int64)))


@dataclass(frozen=True)
class Column:
    """Public facts of one feature, which do not depend on any private row.

    Parameters
    ----------
    name : str
        The column's name.
    low, high : float
        Bounds of the values.
    categories : int
        Number of categories, whose codes are ``0 .. categories - 1``; 0 for a numeric column.
    """

    name: str
    low: float
    high: float
    categories: int = 0
