"""Entanglement of a forget set with the rows that are retained, from sums that peers can add.

Zhao et al., "What makes unlearning hard and what to do about it", NeurIPS 2024, arXiv 2406.01257: the spread of both sets' features around
their means, over the distance of these means from the centre. High is entangled, and hard to forget.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Centre = Literal["pooled", "midpoint"]


@dataclass(frozen=True)
class Moments:
    """Sums over one side's rows, which add up over peers: no feature of a row leaves its peer.

    Parameters
    ----------
    count : int
        Number of rows.
    total : float64 array, shape (d,)
        Sum of their features.
    squares : float
        Sum of their features' squared norms.
    """

    count: int
    total: npt.NDArray[np.float64]
    squares: float

    @classmethod
    def of(cls, features: npt.NDArray[Any]) -> Moments:
        """Return the sums of features, shape (n, d)."""
        wide = np.asarray(features, np.float64)
        return cls(len(wide), wide.sum(0), float((wide**2).sum()))

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.count + other.count, self.total + other.total, self.squares + other.squares)

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        """Mean of the features."""
        return self.total / self.count

    @property
    def spread(self) -> float:
        """Mean squared distance from the mean."""
        return max(self.squares / self.count - float(self.mean @ self.mean), 0.0)


def entanglement(forget: Moments, retain: Moments, centre: Centre = "pooled") -> float:
    """Return the entanglement score, at least 0; infinite where the means are the same.

    Parameters
    ----------
    forget, retain : Moments
    centre : {"pooled", "midpoint"}
        The mean of all rows, or of the two sides' means: a score of the second is ``2 (p^2 + (1 - p)^2)`` times one of the first, with p
        the share of the rows to forget.

    Raises
    ------
    ValueError
        If a side has no row.
    """
    for name, side in (("forget", forget), ("retain", retain)):
        if not side.count:
            raise ValueError(f"{name}: holds no row, and entanglement is between two sets: give at least one")
    shift = retain.mean - forget.mean
    share = 0.5 if centre == "midpoint" else forget.count / (forget.count + retain.count)
    between = 0.5 * (share**2 + (1 - share) ** 2) * float(shift @ shift)
    within = forget.spread + retain.spread
    return within / between if between else inf


def expected(forget: int, rows: int, centre: Centre = "pooled") -> float:
    """Return about which score a random set of so many of the rows has: scores grow with the size of the set.

    Parameters
    ----------
    forget, rows : int
        Rows to forget, and all rows, more than those.
    centre : {"pooled", "midpoint"}
    """
    share = 0.5 if centre == "midpoint" else forget / rows
    return 4 * forget * (rows - forget) / (rows * (share**2 + (1 - share) ** 2))
