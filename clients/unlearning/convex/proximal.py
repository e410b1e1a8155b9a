"""Proximal Newton steps for objectives with a penalty on absolute parameters, to rounding."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from clients.unlearning.convex.objective import UNIT, Objective, blocked, unblocked
from clients.unlearning.tabular import Floats

_MOST_STEPS = 200
"""Newton steps after which a solve ends wherever it is; ten are usual."""

_LAST_STEPS = 2
"""Whole steps after the value has stopped telling points apart; each squares what is left."""

_SHORTEST = 2.0**-20
"""Shortest part of a Newton step that is tried."""


def minimise_sparse(objective: Objective) -> tuple[Tensor, int]:
    """Return the optimum of ``L(W) + lasso n |W|_1``, reached from zero, and the Newton steps taken.

    A step minimises the second-order model of L with the penalty (Lee, Sun, Saunders, SIAM J. Optim. 2014), and is halved until the
    objective falls by a tenth of what the model promises.
    """
    weights = torch.zeros_like(objective.linear)
    value = objective.value(weights)
    for taken in range(_MOST_STEPS):
        gradient = objective.gradient(weights)
        goal = nearest(objective.hessian(weights), weights, gradient, objective.weight)
        step, share = goal - weights, 1.0
        promised = float((gradient * step).sum()) + objective.weight * float(goal.abs().sum() - weights.abs().sum())
        if -promised <= 8 * UNIT * len(objective.x) * (1 + abs(value)):
            return _finished(objective, goal), taken + 1 + _LAST_STEPS
        while share >= _SHORTEST:
            there = goal if share == 1 else weights + share * step
            found = objective.value(there)
            if found <= value + 0.1 * share * promised:
                break
            share /= 2
        else:
            return weights, taken
        weights, value = there, found
    return weights, _MOST_STEPS


def _finished(objective: Objective, weights: Tensor) -> Tensor:
    for _ in range(_LAST_STEPS):
        weights = nearest(objective.hessian(weights), weights, objective.gradient(weights), objective.weight)
    return weights


def nearest(hessian: Tensor, weights: Tensor, gradient: Tensor, weight: float) -> Tensor:
    """Return the u, (d, K), that minimises ``<gradient, u - w> + (u - w)' H (u - w) / 2 + weight |u|_1``.

    Parameters
    ----------
    hessian : float64 tensor, shape (blocks, side, side)
        Positive definite.
    weights, gradient : float64 tensors, shape (d, K)
    weight : float
        At least 0.
    """
    starts, slopes = (blocked(part, len(hessian))[:, :, 0].numpy() for part in (weights, gradient))
    found = [sparse(h, h @ w - g, weight, w) for h, w, g in zip(hessian.numpy(), starts, slopes, strict=True)]
    return unblocked(torch.tensor(np.stack(found))[:, :, None], weights.shape)


def sparse(hessian: Floats, linear: Floats, weight: float, start: Floats) -> Floats:
    """Return the u that minimises ``u' H u / 2 - linear' u + weight |u|_1``, zeros exact, by a search over signs.

    Feature-sign search (Lee, Battle, Raina, Ng, NIPS 2006): it ends, as each set of signs occurs once.

    Parameters
    ----------
    hessian : float64 array, shape (k, k)
        Positive definite.
    linear, start : float64 array, shape (k,)
    weight : float
    """
    x, signs, settled = start.copy(), np.sign(start), False
    for _ in range(100 * len(x)):
        gradient = hessian @ x - linear
        if settled or not signs.any():
            slack = len(x) * UNIT * (np.abs(hessian) @ np.abs(x) + np.abs(linear))
            excess = np.where(signs != 0, 0.0, np.abs(gradient) - weight - slack)
            entering = int(excess.argmax())
            if excess[entering] <= 0:
                break
            signs[entering] = -np.sign(gradient[entering])
        chosen = np.flatnonzero(signs)
        goal = np.zeros_like(x)
        goal[chosen] = np.linalg.solve(hessian[np.ix_(chosen, chosen)], linear[chosen] - weight * signs[chosen])
        settled = bool((np.sign(goal) == signs).all())
        x = goal if settled else _lowest(hessian, linear, weight, x, goal)
        signs = np.sign(x)
    return x


def _lowest(hessian: Floats, linear: Floats, weight: float, x: Floats, goal: Floats) -> Floats:
    """Return the best of the goal and the points on the way to it at which a parameter is zero."""
    turns = np.flatnonzero((x != 0) & (np.sign(goal) != np.sign(x)))
    points = [goal]
    for turn in turns:
        point = x + x[turn] / (x[turn] - goal[turn]) * (goal - x)
        point[turn] = 0.0
        points.append(point)
    values = [point @ (hessian @ point) / 2 - linear @ point + weight * np.abs(point).sum() for point in points]
    return points[int(np.argmin(values))]
