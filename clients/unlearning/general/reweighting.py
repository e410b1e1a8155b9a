"""Sparse weights of rows that cancel given effects: a lasso in a box."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_SMALLEST = 1e-9
"""Weight of the penalty, as a multiple of the smallest one that leaves no weight, below which it is not lowered further."""

_SWEEPS, _STILL = 200, 1e-9
"""Largest number of sweeps of a descent, and the largest change of a weight, as a multiple of the limit, with which it ends."""


def sparse_weights(influence: Floats, effect: Floats, limit: float, share: float) -> Floats:
    """Return weights ``0 <= w <= limit`` of rows, float64 (r,), that minimise ``|influence w - effect|^2 + omega |w|_1``.

    ``omega`` is halved, from the value at which every weight is zero, as long as at most ``share`` of the weights are positive.

    Parameters
    ----------
    influence : float64 array, shape (q, r)
        Influence of each row on each criterion.
    effect : float64 array, shape (q,)
        The effects to cancel.
    limit : float
        Largest weight.
    share : float
        Largest share of positive weights, in (0, 1].
    """
    found = np.zeros(influence.shape[1])
    if not found.size or not (2 * influence.T @ effect > 0).any():
        return found
    largest = omega = float((2 * influence.T @ effect).max())
    while omega > _SMALLEST * largest:
        omega /= 2
        denser = descend(influence, effect, limit, omega, found)
        if np.count_nonzero(denser) > share * len(found):
            break
        found = denser
    return found


def descend(influence: Floats, effect: Floats, limit: float, omega: float, start: Floats) -> Floats:
    """Return the minimiser for one ``omega`` by coordinate descent from ``start``, row after row in their order."""
    weights, sizes = start.copy(), np.square(influence).sum(axis=0)
    left = effect - influence @ weights
    for _ in range(_SWEEPS):
        moved = 0.0
        for i in np.flatnonzero((weights > 0) | (2 * influence.T @ left > omega)):
            if not sizes[i]:
                continue
            wanted = weights[i] + (influence[:, i] @ left - omega / 2) / sizes[i]
            change = min(max(wanted, 0.0), limit) - weights[i]
            weights[i] += change
            left -= change * influence[:, i]
            moved = max(moved, abs(change))
        if moved <= _STILL * limit:
            break
    return weights
