"""Spread over peers: a mean hides the peer that did not forget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm


@dataclass(frozen=True)
class Spread:
    """Mean over peers, standard deviation beyond chance, and the worst peer with its p-value after Holm's correction."""

    mean: float
    beyond_chance: float
    worst: int
    p: float


def null_variance(members: int, others: int) -> float:
    """Return the variance of the area under the curve of equal groups (Mann and Whitney): (m + n + 1) / (12 m n)."""
    return (members + others + 1) / (12 * members * others)


def spread(figures: Sequence[float], floors: Sequence[float], chance: Sequence[float], of_floors: Sequence[float]) -> Spread:
    """Return how far peers differ beyond chance, and which of them stands out.

    Parameters
    ----------
    figures, floors : sequence of float
        Each peer's figure, and that of its retrained models.
    chance, of_floors : sequence of float
        Variance by chance of each peer's figure, and of its floor; at least 0, and not 0 both.

    Returns
    -------
    Spread
        ``beyond_chance`` is ``sqrt(max(0, variance over peers - mean variance by chance))``; ``worst`` is the position
        of the peer farthest from its floor, on whichever side: who forgets more than retraining stands out as well.
    """
    values, own = np.asarray(figures, np.float64), np.asarray(chance, np.float64)
    extra = float(values.var(ddof=1) - own.mean()) if len(values) > 1 else 0.0
    scores = np.abs(values - np.asarray(floors)) / np.sqrt(own + np.asarray(of_floors))
    worst = int(np.argmax(scores))  # the smallest p-value, which Holm multiplies by the number of peers
    return Spread(float(values.mean()), float(np.sqrt(max(0.0, extra))), worst, min(1.0, len(values) * 2 * float(norm.sf(scores[worst]))))
