"""Largest difference between two sets of arrays: the number behind every claim of exactness."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt


def max_abs_difference(a: Mapping[str, npt.NDArray[Any]], b: Mapping[str, npt.NDArray[Any]]) -> float:
    """Return the largest absolute difference between arrays of the same name; 0.0 only if all values are equal.

    Parameters
    ----------
    a, b : mapping of str to array
        Numbers or booleans of any shape.

    Returns
    -------
    float
        In [0, inf]. ``inf`` if a name is missing on one side, a shape or dtype differs, or one side is NaN where the other is a number.
        NaNs at the same position count as equal. For two empty mappings it is 0.0.
    """
    if a.keys() != b.keys():
        return float("inf")
    return max((_difference(np.asarray(a[name]), np.asarray(b[name])) for name in a), default=0.0)


def _difference(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    if a.shape != b.shape or a.dtype != b.dtype:
        return float("inf")
    floating = np.issubdtype(a.dtype, np.inexact)
    unequal = ~((a == b) | (np.isnan(a) & np.isnan(b))) if floating else a != b
    if not unequal.any():
        return 0.0
    x, y = a[unequal], b[unequal]
    if floating:
        with np.errstate(over="ignore"):
            return float(np.nan_to_num(np.abs(x.astype(np.float64) - y.astype(np.float64)), nan=np.inf, posinf=np.inf).max())
    return float(max(abs(int(p) - int(q)) for p, q in zip(x, y, strict=True)))  # Python integers: no overflow, no rounding to 0
