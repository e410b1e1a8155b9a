"""Newton's method on an objective of which the server knows sums alone: each point that is tried is one exchange with all peers."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from clients.unlearning.contract import UnlearningError
from clients.unlearning.convex.sums import ObjectiveSums

MOST_STEPS = 100
"""Newton steps after which a solve is given up; ten are usual."""

_SHORTEST = 2.0**-10
"""Shortest part of a Newton step that is tried."""

Ask = Callable[[Tensor], ObjectiveSums]
"""Returns the sums over all peers at parameters (d, K)."""


class Reached(NamedTuple):
    """Parameters (d, K), the sums there, the Newton steps that led to them, and the points that were tried on the way and not taken."""

    weights: Tensor
    sums: ObjectiveSums
    steps: int = 0
    rejected: int = 0

    def tried(self) -> Reached:
        """Return the same after another point that was tried and not taken."""
        return self._replace(rejected=self.rejected + 1)


def solved(ask: Ask, start: Reached) -> Reached:
    """Return the optimum, to rounding.

    A step is halved until the norm of the gradient falls by a tenth of its share. Once rounding may be all that is left of the gradient,
    one more step is taken, and the better of both points is the optimum. ``UnlearningError`` if it is not reached.
    """
    here = start
    while here.steps < MOST_STEPS:
        size, last = float(here.sums.gradient.norm()), float(here.sums.gradient.norm()) <= here.sums.rounding
        step, share = here.sums.step(), 1.0
        there = _at(ask, here, step)
        while not last and float(there.sums.gradient.norm()) > (1 - 0.1 * share) * size and share > _SHORTEST:
            here, share = here.tried(), share / 2
            there = _at(ask, here, share * step)
        smaller = float(there.sums.gradient.norm()) < size
        if last or not smaller:
            return there if smaller else here.tried()
        here = there
    raise UnlearningError(f"sums: {MOST_STEPS} Newton steps do not reach the optimum: take a larger penalty")


def stepped(ask: Ask, start: Reached, enough: float) -> Reached:
    """Return the parameters after one Newton step, or after two if the first leaves a residual above ``enough``."""
    here = _at(ask, start, start.sums.step())
    if here.sums.residual <= enough:
        return here
    there = _at(ask, here, here.sums.step())
    return there if there.sums.residual < here.sums.residual else here.tried()


def _at(ask: Ask, here: Reached, step: Tensor) -> Reached:
    weights = here.weights + step
    return Reached(weights, ask(weights), here.steps + 1, here.rejected)
