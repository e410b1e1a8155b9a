"""Splitting a forget set into even groups by a score."""

from __future__ import annotations

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
        Number of groups, at most that of ids.
    key : tuple
    """
    ranked = np.lexsort((ids, hashes(ids, *key, "tie"), scores))
    return [np.sort(ids[part]) for part in np.array_split(ranked, count)]


def shuffled(ids: Ids, count: int, key: tuple[Field, ...]) -> list[Ids]:
    """Return the ids in so many random groups, drawn by key: the control of `refined`."""
    return refined(ids, np.zeros(len(ids)), count, (*key, "shuffle"))
