"""Labelled rows with lifelong ids, and what is public about their columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    pass


Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Labelled rows with lifelong ids.

    Parameters
    ----------
    ids : int64 array, shape (n,)
        Given once, never reused; sorted ascending, without duplicates.
    x : float32 array, shape (n, ...)
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
    """What is publicly known of one feature: fixed before any private row is seen.

    ``categories`` is the number of categories of a categorical column (values ``0 .. categories - 1``), 0 for a numeric one;
    ``low`` and ``high`` bound a numeric column's values.
    """

    name: str
    low: float
    high: float
    categories: int = 0
