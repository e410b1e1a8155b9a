"""Splitting a forget set into even groups by a score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids
from clients.streams import Field, hashes


def refined(ids: Ids, scores: npt.NDArray[np.float64], count: int, key: tuple[Field, ...]) -> list[Ids]:
    """Return the ids in so many groups of ascending scores, as even as can be; ties are broken by key.

    Parameters
    ----------
    ids : int64 array, shape (n,)
    scores : float64 array, shape (n,)
    count : int
        Number of groups; fewer where there are fewer ids.
    key : tuple
    """
    ranked = np.lexsort((ids, hashes(ids, *key, "tie"), scores))
    return [np.sort(ids[part]) for part in np.array_split(ranked, min(count, len(ids)))]


def shuffled(ids: Ids, count: int, key: tuple[Field, ...]) -> list[Ids]:
    """Return the ids in so many random groups, drawn by key: the control of `refined`."""
    return refined(ids, np.zeros(len(ids)), count, (*key, "shuffle"))


def at_thresholds(at_most: Callable[[float], int], total: int, count: int, low: float, high: float, steps: int = 50) -> list[float]:
    """Return the ``count - 1`` thresholds that split scores at several places evenly, found by asking how many are at most a value.

    Parameters
    ----------
    at_most : callable
        Returns how many scores, of all places together, are at most a value.
    total : int
        Number of scores.
    count : int
        Number of groups.
    low, high : float
        Bounds of the scores.
    steps : int
        Bisections per threshold.
    """
    found = []
    for group in range(1, count):
        wanted, left, right = round(total * group / count), low, high
        for _ in range(steps):
            middle = (left + right) / 2
            left, right = (left, middle) if at_most(middle) >= wanted else (middle, right)
        found.append(right)
    return found
