"""Newton's method, to rounding."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from clients.unlearning.contract import UnlearningError
from clients.unlearning.convex.objective import UNIT, Objective
from clients.unlearning.convex.proximal import minimise_sparse

MOST_STEPS = 1000
"""Newton steps after which a solve is given up; ten are usual."""

_SHORTEST = 2.0**-20
"""Shortest part of a Newton step that is tried."""


class Optimum(NamedTuple):
    """Parameters (d, K) at which no Newton step makes the gradient smaller, and the steps taken."""

    weights: Tensor
    steps: int


def minimise(objective: Objective) -> Optimum:
    """Return the optimum, reached from zero, so that it is a function of the objective alone.

    With a penalty on absolute parameters it is found by `minimise_sparse`. Without one, a step is halved until the norm of the gradient
    falls by a tenth of its share. Where the second derivative jumps (Huberised hinge) there may be no such length: then the objective
    must fall, by a tenth of the share that the gradient promises. ``UnlearningError`` if it takes more than `MOST_STEPS`.
    """
    if objective.weight:
        return Optimum(*minimise_sparse(objective))
    weights = torch.zeros_like(objective.linear)
    gradient = objective.gradient(weights)
    for taken in range(MOST_STEPS):
        size = float(gradient.norm())
        if not size:
            return Optimum(weights, taken)
        step, share = objective.newton(weights, gradient), 1.0
        while share >= _SHORTEST:
            there = weights + share * step
            found = objective.gradient(there)
            if float(found.norm()) <= (1 - 0.1 * share) * size:
                break
            share /= 2
        else:
            fallen = _fallen(objective, weights, gradient, step)
            if fallen is None:
                return Optimum(weights, taken)
            there, found = fallen, objective.gradient(fallen)
        weights, gradient = there, found
    raise UnlearningError(f"convex: {MOST_STEPS} Newton steps do not reach the optimum: take a larger penalty, or a larger corner")


def _fallen(objective: Objective, weights: Tensor, gradient: Tensor, step: Tensor) -> Tensor | None:
    """Return a point along the step at which the objective is smaller, or None if it no longer tells points apart."""
    promised, value, share = float((gradient * step).sum()), objective.value(weights), 1.0
    if -promised <= 8 * UNIT * len(objective.x) * (1 + abs(value)):
        return None
    while share >= _SHORTEST:
        there = weights + share * step
        if objective.value(there) <= value + 0.1 * share * promised:
            return there
        share /= 2
    return None
