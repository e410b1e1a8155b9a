"""Compiled inner loops over second moments in two-limb fixed point (see ``fixed.py``)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.unlearning.exact.compiled import compiled, inner

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
LIMB = 20


@compiled
def remove_row(
    first: Ints, second: Ints, row: npt.NDArray[np.float32], label: float, categories: Ints, classes: int, centre: Floats, scale: Floats
) -> None:
    """Take one row in fixed point out of ``first`` (2, m) and ``second`` (3, m, m), in place.

    Parameters
    ----------
    first, second : int64 arrays
    row : float32 array, shape (width,)
        Checked features; a categorical one stands for as many 0/1 columns as it has ``categories`` (0 for a numeric one).
    label : float
        Class, or target where there is one class.
    categories : int64 array, shape (width,)
    classes : int
    centre, scale : float64 arrays, shape (m,)
    """
    m = first.shape[1]
    values = np.zeros(m, np.float64)
    place = 0
    for j in range(len(row)):
        if categories[j]:
            values[place + np.int64(row[j])] = 1.0
            place += categories[j]
        else:
            values[place] = row[j]
            place += 1
    if classes > 1:
        values[place + np.int64(label)] = 1.0
    else:
        values[place] = label
    high = np.empty(m, np.int64)
    low = np.empty(m, np.int64)
    for i in range(m):
        z = np.int64(np.rint((values[i] - centre[i]) * scale[i]))
        high[i] = z >> LIMB
        low[i] = z - (high[i] << LIMB)
    for i in range(m):
        first[0, i] -= high[i]
        first[1, i] -= low[i]
        for j in range(m):
            second[0, i, j] -= high[i] * high[j]
            second[1, i, j] -= high[i] * low[j] + low[i] * high[j]
            second[2, i, j] -= low[i] * low[j]


@inner
def _pivots(n: int, first: Ints) -> Any:
    """Return the integers next to the means by limbs, what the first moments exceed them by, and the fractions cut off, each (m,)."""
    m = first.shape[1]
    high = np.empty(m, np.int64)
    low = np.empty(m, np.int64)
    over = np.empty(m, np.int64)
    left = np.empty(m, np.int64)
    rest = np.empty(m, np.float64)
    for i in range(m):
        high[i] = first[0, i] // n
        over[i] = first[0, i] - high[i] * n
        low[i] = (over[i] * (1 << LIMB) + first[1, i]) // n
        left[i] = first[1, i] - low[i] * n
        rest[i] = np.float64(over[i] * (1 << LIMB) + left[i]) / n
    return high, low, over, left, rest


@inner
def _centred_row(i: int, n: int, first: Ints, second: Ints, pivots: Any, unit: Floats, out: Floats) -> None:
    """Write the first entries of row i of the centred moments into ``out``, as many as it has room for.

    One loop a limb: together they would read more arrays than a compiler dares to turn into vector instructions.
    """
    high, low, over, left, rest = pivots
    a, b, f, g = high[i], low[i], first[0, i], first[1, i]
    shift, size = n * rest[i], unit[i]
    for j in range(len(out)):
        out[j] = np.float64(second[0, i, j] - a * over[j] - f * high[j]) * 2.0**40
    for j in range(len(out)):
        out[j] += np.float64(second[1, i, j] - a * left[j] - f * low[j] - b * over[j] - g * high[j]) * 2.0**20
    for j in range(len(out)):
        out[j] += np.float64(second[2, i, j] - b * left[j] - g * low[j])
    for j in range(len(out)):
        out[j] = (out[j] - shift * rest[j]) * size * unit[j]


@compiled
def centred(n: int, first: Ints, second: Ints, unit: Floats) -> Any:
    """Return ``sum (z - mean)(z - mean)'``, float64 (m, m), each z being that many ``unit`` (m,), powers of two.

    Moments are first moved to the integer pivot next to the mean, limb by limb, exactly: 64-bit wrap-around cancels, since every result
    fits. So the usual loss of digits in ``sum zz' - n mean mean'`` does not happen however far the mean lies from the public centre.
    """
    m = first.shape[1]
    pivots = _pivots(n, first)
    out = np.empty((m, m), np.float64)
    for i in range(m):
        _centred_row(i, n, first, second, pivots, unit, out[i, : i + 1])
        for j in range(i):
            out[j, i] = out[i, j]
    return out


@compiled
def ridge(n: int, first: Ints, second: Ints, unit: Floats, centre: Floats, d: int, alpha: float) -> Any:
    """Solve ridge regression for moments whose first ``d`` of m columns are inputs and whose others are targets.

    Returns
    -------
    coef : float64 array, shape (m - d, d)
    intercept : float64 array, shape (m - d,)

    Raises
    ------
    numpy.linalg.LinAlgError
        If the scatter of the inputs plus ``alpha`` on its diagonal is not positive definite in floating point.
    """
    m = first.shape[1]
    pivots = _pivots(n, first)
    scatter = np.zeros((d, d), np.float64)
    coef = np.empty((m - d, d), np.float64)
    mean = np.empty(m, np.float64)
    for i in range(m):
        mean[i] = (first[0, i] * 2.0**LIMB + first[1, i]) / n * unit[i] + centre[i]
        if i < d:
            _centred_row(i, n, first, second, pivots, unit, scatter[i, : i + 1])
            scatter[i, i] += alpha
        else:
            _centred_row(i, n, first, second, pivots, unit, coef[i - d])
    factor: Any = np.linalg.cholesky(scatter)
    intercept = np.empty(m - d, np.float64)
    for t in range(m - d):
        _substitute(factor, coef[t])
        total = mean[d + t]
        for j in range(d):
            total -= coef[t, j] * mean[j]
        intercept[t] = total
    return coef, intercept


@inner
def _substitute(factor: Floats, x: Floats) -> None:
    """Solve ``factor factor' x = x`` in place, for a lower triangular factor."""
    d = len(x)
    for k in range(d):
        x[k] /= factor[k, k]
        for j in range(k + 1, d):
            x[j] -= factor[j, k] * x[k]
    for k in range(d - 1, -1, -1):
        x[k] /= factor[k, k]
        for j in range(k):
            x[j] -= factor[k, j] * x[k]
