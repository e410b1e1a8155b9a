"""KLoM: the KL divergence of margins between unlearned and retrained models, row by row.

Georgiev et al., "Attribute-to-delete: machine unlearning via datamodel matching", arXiv 2410.23232, section 2.
"""

from __future__ import annotations

import numpy as np

from server.audit.margins import Floats

BINS = 20
FLOOR = 1e-5
"""Smallest share of a bin, so that no divergence exceeds about 11.5."""


def histograms(one: Floats, other: Floats, bins: int = BINS) -> tuple[Floats, Floats]:
    """Return the counts of two groups of margins in equal bins over their joint range, shape (bins,); the largest value is in the last."""
    low, high = min(one.min(), other.min()), max(one.max(), other.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, bins + 1)
    return np.histogram(one, edges)[0].astype(np.float64), np.histogram(other, edges)[0].astype(np.float64)


def divergences(unlearned: Floats, retrained: Floats, bins: int = BINS) -> Floats:
    """Return KL(unlearned || retrained) of histograms, in nats, for every row, shape (rows,).

    With N models a side it has a floor that grows as N falls; read it beside retrained models against retrained ones.

    Parameters
    ----------
    unlearned, retrained : float64 arrays, shape (models, rows)
        Margins.
    """
    return np.array([_divergence(*histograms(one, other, bins)) for one, other in zip(unlearned.T, retrained.T, strict=True)])


def _divergence(one: Floats, other: Floats) -> float:
    p, q = (np.maximum(counts / counts.sum(), FLOOR) for counts in (one, other))
    p, q = p / p.sum(), q / q.sum()
    return float((p * np.log(p / q)).sum())


def gaussian_divergences(unlearned: Floats, retrained: Floats) -> Floats:
    """Return KL of the fitted normal distributions, in nats, for every row: it orders small shifts that histograms do not resolve."""
    (mean, spread), (other_mean, other_spread) = ((z.mean(axis=0), np.maximum(z.std(axis=0, ddof=1), 1e-6)) for z in (unlearned, retrained))
    result: Floats = np.log(other_spread / spread) + (spread**2 + (mean - other_mean) ** 2) / (2 * other_spread**2) - 0.5
    return result
