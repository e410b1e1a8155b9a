"""Compiled inner loops over second moments in two-limb fixed point (see ``fixed.py``)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.unlearning.exact.compiled import compiled

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
LIMB = 20


@compiled
def remove_row(first: Ints, second: Ints, values: Floats, centre: Floats, scale: Floats) -> None:
    """Take one row, float64 (m,), in fixed point out of ``first`` (2, m) and ``second`` (3, m, m), in place."""
    m = len(values)
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


@compiled
def centred(n: int, first: Ints, second: Ints, unit: Floats) -> Any:
    """Return ``sum (z - mean)(z - mean)'``, float64 (m, m), each z being that many ``unit`` (m,), powers of two.

    Moments are first moved to the integer pivot next to the mean, limb by limb, exactly: 64-bit wrap-around cancels, since every result
    fits. So the usual loss of digits in ``sum zz' - n mean mean'`` does not happen however far the mean lies from the public centre.
    """
    m = first.shape[1]
    high = np.empty(m, np.int64)
    low = np.empty(m, np.int64)
    rest = np.empty(m, np.float64)
    for i in range(m):
        whole = first[0, i] // n
        over = first[0, i] - whole * n
        pivot = (over * (1 << LIMB) + first[1, i]) // n
        high[i], low[i] = whole, pivot
        rest[i] = np.float64(over * (1 << LIMB) + first[1, i] - pivot * n) / n
    out = np.empty((m, m), np.float64)
    for i in range(m):
        for j in range(i + 1):
            hh = second[0, i, j] - high[i] * first[0, j] - first[0, i] * high[j] + n * high[i] * high[j]
            hl = second[1, i, j] - high[i] * first[1, j] - first[0, i] * low[j] + n * high[i] * low[j]
            hl += -low[i] * first[0, j] - first[1, i] * high[j] + n * low[i] * high[j]
            ll = second[2, i, j] - low[i] * first[1, j] - first[1, i] * low[j] + n * low[i] * low[j]
            value = np.float64(hh) * 2.0**40 + np.float64(hl) * 2.0**20 + np.float64(ll) - n * rest[i] * rest[j]
            out[i, j] = value * unit[i] * unit[j]
            out[j, i] = out[i, j]
    return out
