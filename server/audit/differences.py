"""Differences between two sets of arrays: the largest, the number behind every claim of exactness, and the relative distance."""

from __future__ import annotations

import math
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


def total_variation(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> float:
    """Return the mean over rows of the total variation distance of class probabilities, both (n, classes), in [0, 1]."""
    return float(np.abs(a.astype(np.float64) - b).sum(axis=1).mean() / 2)


def relative_distance(a: Mapping[str, npt.NDArray[Any]], b: Mapping[str, npt.NDArray[Any]]) -> float:
    """Return the Euclidean distance of arrays by name, all of them together, divided by the norm of ``b``.

    It is 0.0 if all values are equal, and ``inf`` if names or shapes differ, values are not finite, or only ``b`` is all zeros.
    """
    if a.keys() != b.keys() or any(a[name].shape != b[name].shape for name in a):
        return math.inf
    pairs = [(a[name].astype(np.float64), b[name].astype(np.float64)) for name in a]
    apart = math.fsum(float(np.square(one - other).sum()) for one, other in pairs)
    size = math.fsum(float(np.square(other).sum()) for _, other in pairs)
    if apart == 0:
        return 0.0
    return math.sqrt(apart / size) if size and math.isfinite(apart) else math.inf


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
