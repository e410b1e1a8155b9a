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


def spread(figures: Sequence[float], floors: Sequence[float], variances: Sequence[float]) -> Spread:
    """Return how far peers differ beyond chance, and which of them stands out.

    Parameters
    ----------
    figures, floors : sequence of float
        Each peer's figure, and that of its retrained models.
    variances : sequence of float
        Variance of each peer's figure by chance; positive.

    Returns
    -------
    Spread
        ``beyond_chance`` is ``sqrt(max(0, variance over peers - mean variance by chance))``; ``worst`` is a position.
    """
    values, chance = np.asarray(figures, np.float64), np.asarray(variances, np.float64)
    extra = float(values.var(ddof=1) - chance.mean()) if len(values) > 1 else 0.0
    scores = (values - np.asarray(floors)) / np.sqrt(chance)
    worst = int(np.argmax(scores))  # the smallest p-value, which Holm multiplies by the number of peers
    return Spread(float(values.mean()), float(np.sqrt(max(0.0, extra))), worst, min(1.0, len(values) * float(norm.sf(scores[worst]))))
