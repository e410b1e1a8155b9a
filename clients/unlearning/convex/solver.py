"""Newton's method, to rounding."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from clients.unlearning.convex.objective import Objective
from clients.unlearning.convex.proximal import minimise_sparse

MOST_STEPS = 200
"""Newton steps after which a solve ends wherever it is; ten are usual."""

_SHORTEST = 2.0**-20
"""Shortest part of a Newton step that is tried."""


class Optimum(NamedTuple):
    """Parameters (d, K) at which no Newton step makes the gradient smaller, and the steps taken."""

    weights: Tensor
    steps: int


def minimise(objective: Objective) -> Optimum:
    """Return the optimum, reached from zero, so that it is a function of the objective alone.

    With a penalty on absolute parameters it is found by `minimise_sparse`. Without one, a step is halved until the norm of the gradient
    falls by a tenth of its share, which along a Newton direction some length achieves.
    """
    if objective.weight:
        return Optimum(*minimise_sparse(objective))
    weights = torch.zeros_like(objective.linear)
    gradient = objective.gradient(weights)
    for taken in range(MOST_STEPS):
        size = float(gradient.norm())
        step, share = objective.newton(weights, gradient), 1.0
        while share >= _SHORTEST:
            there = weights + share * step
            found = objective.gradient(there)
            if float(found.norm()) <= (1 - 0.1 * share) * size:
                break
            share /= 2
        else:
            return Optimum(weights, taken)
        weights, gradient = there, found
    return Optimum(weights, MOST_STEPS)
