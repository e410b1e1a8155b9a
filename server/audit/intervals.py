"""Confidence intervals of shares."""

from __future__ import annotations

import math
from statistics import NormalDist

Z = 1.959963984540054
"""Quantile of the normal distribution for intervals of 95 %."""


def wilson(share: float, n: int, shares: int = 1) -> tuple[float, float]:
    """Return the ends of the 95 % Wilson interval of a share of ``n`` independent rows; the whole of [0, 1] without rows.

    If the smallest, or any other chosen one, of several ``shares`` is told, its interval must hold for all of them together: it is then
    that of 95 % by Bonferroni. Of a mean of values in [0, 1], whose variance is at most that of a share, it is no narrower than needed.

    ``ValueError`` unless the share lies in [0, 1].

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a share of {share} has no interval: take one in [0, 1]")
    if not n:
        return 0.0, 1.0
    z = Z if shares == 1 else NormalDist().inv_cdf(1 - 0.025 / shares)
    weight = z**2 / n
    centre, half = share + weight / 2, math.sqrt(weight * (share * (1 - share) + weight / 4))
    return max(0.0, (centre - half) / (1 + weight)), min(1.0, (centre + half) / (1 + weight))
