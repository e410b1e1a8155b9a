"""The rows of convex learners: scaled by public bounds, each divided by its own norm."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.data.columns import expand
from clients.data.rows import Rows
from clients.unlearning.contract import Problem, UnlearningError
from clients.unlearning.tabular import Floats, Table

_MARGIN = 1 + 2.0**-40
"""Divided by as well, so that no row's norm exceeds 1 after rounding."""


class UnitRows:
    """Checked rows as vectors of norm at most 1, by a rule that looks at one row only.

    Parameters
    ----------
    problem : Problem
    bounds : tuple of float
        Smallest and largest value of columns whose bounds are not declared.

    Attributes
    ----------
    width : int
        Length of a vector, the constant included.

    Raises
    ------
    UnlearningError
        If the problem has one class only, or a column's bounds are not finite: no rule could bound its rows.
    """

    def __init__(self, problem: Problem, bounds: tuple[float, float]) -> None:
        if problem.classes < 2:
            raise UnlearningError("convex: the problem has one class: it needs at least two")
        self.table = Table(problem, bounds)
        span = self.table.high - self.table.low
        if not (finite := np.isfinite(span)).all():
            j = int(np.argmin(finite))
            given = f"[{self.table.low[j]:g}, {self.table.high[j]:g}]"
            raise UnlearningError(f"column {self.table.names[j]}: its bounds {given} do not bound its rows: declare finite ones")
        numeric, copies = self.table.categories == 0, np.maximum(self.table.categories, 1)
        self._low = np.repeat(np.where(numeric, self.table.low, 0.0), copies)
        self._span = np.repeat(np.where(numeric & (span > 0), span, 1.0), copies)
        self.width = int(copies.sum()) + 1

    def checked(self, data: Rows) -> Rows:
        """Return copies of the rows; ``UnlearningError`` on values, categories, labels or ids that are none."""
        return self.table.rows(data)

    def of(self, x: npt.NDArray[Any]) -> Floats:
        """Return inputs (n, ...) as vectors, float64 (n, width); questions beyond the bounds are clipped to them."""
        scaled = (expand(self.table.features(x), self.table.columns).astype(np.float64) - self._low) / self._span
        whole = np.concatenate([scaled, np.ones((len(scaled), 1))], axis=1)
        return np.asarray(whole / (np.sqrt(np.square(whole).sum(axis=1, keepdims=True)) * _MARGIN))
