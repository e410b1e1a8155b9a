"""The sum of losses over rows, penalties per row and a linear term: gradient, Hessian, and how far rounding can mislead.

    L(W) = sum_i [ loss(x_i W, t_i) + penalty / 2 |W|^2 ] + <B, W>        W and B are (d, K), |x_i| <= 1

A penalty on absolute parameters, ``lasso |W|_1`` per row, comes on top where it is asked for; optima then are those of `proximal`.

Everything is a sum, nothing a mean, in float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from clients.unlearning.convex.losses import Loss

UNIT = 2.0**-53
"""Largest relative error of one rounded operation in float64."""


class Point(NamedTuple):
    """The gradient at a point, float64 (d, K), and an upper bound on the norm of its rounding error."""

    gradient: Tensor
    rounding: float

    @property
    def residual(self) -> float:
        """A certain upper bound on the norm of the true gradient."""
        return float(self.gradient.norm()) + self.rounding


@dataclass(frozen=True)
class Objective:
    """The objective on a set of rows.

    Parameters
    ----------
    loss : Loss
    x : float64 tensor, shape (n, d)
        Rows of norm at most 1.
    targets : float64 tensor, shape (n, K)
    penalty : float
    linear : float64 tensor, shape (d, K)
        B, which perturbs the optimum; zeros if nothing does.
    lasso : float
        Weight of the absolute parameters, per row.
    """

    loss: Loss
    x: Tensor
    targets: Tensor
    penalty: float
    linear: Tensor
    lasso: float = 0.0

    @property
    def weight(self) -> float:
        """Weight of the absolute parameters: the lasso of all rows. They are part of the value, and of no derivative here."""
        return self.lasso * len(self.x)

    @property
    def ridge(self) -> float:
        """Strong convexity: the penalty of all rows."""
        return self.penalty * len(self.x)

    @property
    def smoothness(self) -> float:
        """Upper bound on the largest eigenvalue of the Hessian."""
        return len(self.x) * (self.loss.smoothness + self.penalty)

    def value(self, weights: Tensor) -> float:
        """Return the objective, with the absolute parameters."""
        losses = self.loss.values(self.x @ weights, self.targets).sum()
        penalties = self.ridge / 2 * weights.square().sum() + self.weight * weights.abs().sum()
        return float(losses + penalties + (self.linear * weights).sum())

    def gradient(self, weights: Tensor) -> Tensor:
        """Return the gradient, (d, K)."""
        return self._summed(self._slopes(weights), weights)

    def newton(self, weights: Tensor, gradient: Tensor) -> Tensor:
        """Return the step ``- H^-1 gradient`` with the Hessian at these weights, (d, K)."""
        factor = torch.linalg.cholesky(self.hessian(weights))
        return -unblocked(torch.cholesky_solve(blocked(gradient, len(factor)), factor), weights.shape)

    def hessian(self, weights: Tensor) -> Tensor:
        """Return the Hessian at these weights as diagonal blocks, (blocks, side, side)."""
        found = self.loss.hessian(self.x, self.x @ weights, self.targets)
        found.diagonal(dim1=1, dim2=2).add_(self.ridge)
        return found

    def at(self, weights: Tensor) -> Point:
        """Return the gradient at these weights, and an upper bound on the norm of its error.

        Scores err by at most d units of ``|x| |W|``, slopes by that times the smoothness and by a few units of their own, sums of n terms
        by n units of the sum of their sizes, whatever order they are added in; all of it is doubled.
        """
        n, (d, k) = len(self.x), weights.shape
        slopes = self._slopes(weights)
        gradient = self._summed(slopes, weights)
        size, lengths = float(weights.norm()), slopes.norm(dim=1)
        of_scores = n * self.loss.smoothness * (d + 2) * size + 8 * float((1 + lengths).sum())
        of_sums = n * float(lengths.sum()) + 4 * self.ridge * size + 4 * float(self.linear.norm())
        return Point(gradient, 2 * UNIT * (of_scores + of_sums + d * k * float(gradient.norm())))

    def _slopes(self, weights: Tensor) -> Tensor:
        return self.loss.slopes(self.x @ weights, self.targets)

    def _summed(self, slopes: Tensor, weights: Tensor) -> Tensor:
        return self.x.T @ slopes + self.ridge * weights + self.linear

    @cached_property
    def spectral_norm(self) -> float:
        """An upper bound on the spectral norm of the rows, from the largest eigenvalue of ``x' x``."""
        n, d = self.x.shape
        largest = float(torch.linalg.eigvalsh(self.x.T @ self.x)[-1])
        return math.sqrt(largest * (1 + 1e-12) + 2 * n * d * UNIT * float(self.x.square().sum()))


def blocked(parameters: Tensor, blocks: int) -> Tensor:
    """Return parameters (d, K) as the blocks of a Hessian multiply them, (blocks, side, 1)."""
    return parameters.T.reshape(blocks, -1, 1)


def unblocked(blocks: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return blocks (blocks, side, 1) as parameters of this shape (d, K)."""
    return blocks.reshape(shape[1], shape[0]).T
