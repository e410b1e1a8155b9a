"""Compiled nearest-centroid search in integers, so that a row's cluster never depends on which rows are searched with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.unlearning.exact.compiled import compiled


@compiled
def nearest(z: npt.NDArray[np.int64], centroids: npt.NDArray[np.int64]) -> Any:
    """Return each row's nearest centroid, int64 (n,), the smallest among equals; z (n, D) and centroids (k, D) below 2**22."""
    found = np.zeros(len(z), np.int64)
    for i in range(len(z)):
        best = np.int64(-1)
        for c in range(len(centroids)):
            away = np.int64(0)
            for j in range(z.shape[1]):
                step = z[i, j] - centroids[c, j]
                away += step * step
            if best < 0 or away < best:
                best = away
                found[i] = c
    return found
