"""Statistical queries about rows that the learner never sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids
from clients.unlearning.contract import UnlearningError
from clients.unlearning.exact.statistical.fixed import CHUNK
from clients.unlearning.requests import named_rows
from clients.unlearning.states import fingerprint
from clients.unlearning.tabular import Floats

Query = Callable[[Floats, npt.NDArray[Any]], Floats]
"""Maps features (n, d) and labels (n,) to numbers in [-1, 1], shape (n, k), each row independently of the others."""

FINEST = 2.0**-20
"""Smallest tolerance of an answer."""

_SCALE = 2.0**30



class Oracle:
    """Answers statistical queries about the rows it holds (Kearns 1998; Cao and Yang, IEEE S&P 2015, section IV).

    The answer to a query is its mean over the rows, up to a tolerance. Means are computed from sums of integers and rounded to multiples
    of the tolerance, so that an answer is a function of the set of rows: after rows are forgotten, every answer is bit-equal to that of an
    oracle that never held them.

    Parameters
    ----------
    ids : int64 array, shape (n,)
        Ascending.
    x : float64 array, shape (n, d)
    y : int64 array, shape (n,)

    Attributes
    ----------
    asked : int
        Number of values answered so far.
    """

    def __init__(self, ids: Ids, x: Floats, y: npt.NDArray[Any]) -> None:
        self.ids = ids
        self._x, self._y = x, y
        self.asked = 0

    def __len__(self) -> int:
        return len(self.ids)

    def query(self, xi: Query, tolerance: float) -> Floats:
        """Return the means of a query over the rows.

        Parameters
        ----------
        xi : callable
            See `Query`; rows must not affect each other.
        tolerance : float
            Largest distance of an answer from the mean, in [2**-20, 1].

        Returns
        -------
        float64 array, shape (k,)
            Multiples of the tolerance.

        Raises
        ------
        UnlearningError
            If there are no rows, the tolerance is out of range, or ``xi`` returns another shape or a number outside [-1, 1].
        """
        if not FINEST <= tolerance <= 1:
            raise UnlearningError(f"query: tolerance {tolerance} is not in [2**-20, 1]: choose one that is")
        if not len(self.ids):
            raise UnlearningError("query: the oracle holds no rows, so no mean is defined: give it rows first")
        total: npt.NDArray[Any] = np.zeros(1, np.int64)
        for start in range(0, len(self.ids), CHUNK):
            x, y = self._x[start : start + CHUNK], self._y[start : start + CHUNK]
            total = total + _checked(xi(x, y), len(x)).sum(axis=0)
        self.asked += len(total)
        mean = total / (_SCALE * len(self.ids))
        return np.asarray(np.rint(mean / tolerance) * tolerance, np.float64)

    def digest(self) -> str:
        """Return a hash of the held rows."""
        return fingerprint(self.ids, self._x, self._y)

    def forget(self, request: npt.ArrayLike) -> Ids:
        """Forget rows and return their ids, ascending; ``UnlearningError`` names an id that is not held, and changes nothing."""
        gone = named_rows(request, self.ids)
        kept = ~np.isin(self.ids, gone)
        self.ids, self._x, self._y = self.ids[kept], self._x[kept], self._y[kept]
        return gone


def _checked(values: Any, rows: int) -> npt.NDArray[np.int64]:
    """Return a query's values as integers; ``UnlearningError`` for a wrong shape or values outside [-1, 1]."""
    answer = np.asarray(values, np.float64)
    if answer.ndim != 2 or len(answer) != rows:
        raise UnlearningError(f"query: it returned shape {answer.shape} for {rows} rows: return (rows, k), each row by itself")
    if not (np.abs(answer) <= 1).all():  # a NaN is not either
        raise UnlearningError("query: it returned a number outside [-1, 1]: scale or clip what it returns")
    return np.rint(answer * _SCALE).astype(np.int64)
