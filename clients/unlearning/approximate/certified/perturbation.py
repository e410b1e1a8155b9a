"""The secret perturbation of an objective, and the residual that it hides.

A removal leaves parameters whose gradient u on the remaining rows is not zero: they are the optimum for another perturbation, b - u. If u
is at most beta long and b is drawn widely enough, nobody can tell which of the two was drawn (Guo et al. 2020, theorems 2 and 3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from clients.streams import Field, generator
from clients.unlearning.mechanisms import hidden
from clients.unlearning.tabular import Floats

CERTAIN = 1e-12
"""Probability of a norm at least as far from the expected one, below which it was not drawn from the law."""


@dataclass(frozen=True)
class Law:
    """The law of a perturbation.

    A Gaussian with standard deviation sigma for delta > 0, with delta = 1.5 exp(-c^2 / 2); a density proportional to exp(-|b| / sigma) for
    delta = 0, whose logarithm changes by at most beta / sigma over a distance of beta, whichever its direction.

    Parameters
    ----------
    epsilon, delta : float
    sigma : float
    """

    epsilon: float
    delta: float
    sigma: float

    @property
    def factor(self) -> float:
        """Scales of the perturbation per epsilon that a residual may take: c of the Gaussian, 1 for delta = 0."""
        return math.sqrt(2 * math.log(1.5 / self.delta)) if self.delta else 1.0

    @property
    def budget(self) -> float:
        """Largest norm of the residual, of the sum gradient, that is hidden."""
        return self.sigma * self.epsilon / self.factor

    @property
    def holds(self) -> bool:
        """Whether a shift by the whole budget in a fixed direction is hidden, by the Gaussian's exact profile (Balle and Wang 2018)."""
        return not self.delta or hidden(self.epsilon, self.factor / self.epsilon) <= self.delta

    def draw(self, shape: tuple[int, int], *key: Field) -> Floats:
        """Return a perturbation, float64; each key gives another, to be used for one release only."""
        chance = generator(*key)
        direction = chance.standard_normal(shape)
        if self.delta:
            return self.sigma * direction
        return direction * (self.sigma * chance.gamma(direction.size) / math.sqrt(float((direction**2).sum())))

    def plausible(self, drawn: Floats) -> bool:
        """Return whether a perturbation's norm is one that the law draws: zeros, or a scale of its own, are not."""
        from scipy.stats import chi, gamma

        norm = chi(drawn.size) if self.delta else gamma(drawn.size)
        size = math.sqrt(float((drawn**2).sum())) / self.sigma
        return bool(min(norm.cdf(size), norm.sf(size)) > CERTAIN)
