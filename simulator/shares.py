"""How far a share of independent samples may lie from the share of all that could have been drawn."""

from __future__ import annotations

LEVEL = 0.95
"""Confidence of the intervals."""


def interval(share: float, n: int) -> tuple[float, float]:
    """Return the ends, in [0, 1], of the 95 % interval of a share of ``n`` independent samples (Wilson 1927).

    >>> [round(end, 2) for end in interval(0.5, 60)]
    [0.38, 0.62]

    ``ValueError`` unless the share lies in [0, 1] and ``n`` is at least 1.
    """
    from scipy.stats import binomtest

    if not (0 <= share <= 1 and n >= 1):
        raise ValueError(f"a share of {share} of {n} samples has no interval: take a share in [0, 1] of at least one sample")
    found = binomtest(round(share * n), n).proportion_ci(LEVEL, method="wilson")
    return float(found.low), float(found.high)
