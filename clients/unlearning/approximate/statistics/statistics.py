"""What stays of rows that are dropped after training: sums at the optimum, from which those of rows that leave are subtracted.

All sums are over rows, with each row's share of the ridge penalty, at the parameters w* where training ended; a sequence of requests is
therefore one request of all its rows, to rounding, in whatever order they came.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from clients.unlearning.contract import UnlearningError
from clients.unlearning.convex.losses import Loss
from clients.unlearning.convex.objective import UNIT, Objective, blocked, unblocked
from clients.unlearning.convex.proximal import nearest


@dataclass(frozen=True)
class Statistics(ABC):
    """Statistics of rows; their size does not depend on the number of rows.

    Parameters
    ----------
    anchor : float64 tensor, shape (d, K)
        w*.
    gradient : float64 tensor, shape (d, K)
        Sum of the gradients of the remaining rows at w*.
    matrix : float64 tensor, shape (blocks, side, side)
        The Hessian, or its inverse.
    trained, rows : int
        Rows of the training, and those that remain.
    slack : float
        Bound on the rounding error of the gradient.
    lasso : float
        Weight of the absolute parameters, per row; they are in no sum.
    """

    anchor: Tensor
    gradient: Tensor
    matrix: Tensor
    trained: int
    rows: int
    slack: float
    lasso: float

    @classmethod
    def of(cls, objective: Objective, weights: Tensor) -> Self:
        """Return the statistics of rows at these parameters."""
        point = objective.at(weights)
        n = len(objective.x)
        matrix = cls.kept(objective.hessian(weights)).contiguous()
        return cls(weights.clone(), point.gradient, matrix, n, n, point.rounding, objective.lasso)

    @classmethod
    @abstractmethod
    def kept(cls, hessian: Tensor) -> Tensor:
        """Return what is kept of the Hessian."""

    def without(self, part: Objective) -> Self:
        """Return the statistics without these rows, whose objective has no linear term."""
        point = part.at(self.anchor)
        left, slack = self.gradient - point.gradient, self.slack + point.rounding
        return replace(self, gradient=left, rows=self.rows - len(part.x), slack=slack)

    @abstractmethod
    def change(self) -> Tensor:
        """Return the step from w* that takes the rows out, (d, K)."""

    @abstractmethod
    def missing(self, loss: Loss, penalty: float) -> float:
        """Return a bound on the norm of the curvature that the step uses and the remaining rows do not have, per unit of the step."""

    def distance(self, loss: Loss, penalty: float) -> float:
        """Return an upper bound on the distance of the parameters after the step to the optimum on the remaining rows.

        The gradient there is at most ``gamma / 2 n' |s|^2``, what a linear expansion of slopes misses on rows of norm 1, plus what the
        step's curvature is off; strong convexity turns it into a distance. Infinite where the second derivative jumps, or the penalty does.
        """
        step = self.change()
        size, entries = float(step.norm()), step.numel()
        smoothness = loss.smoothness + penalty
        solve = (8 * entries**2 + self.trained) * smoothness / penalty * size + float((self.anchor + step).norm())
        rounding = 2 * self.slack + UNIT * self.trained * smoothness * solve
        gradient = loss.lipschitz / 2 * self.rows * size**2 + self.missing(loss, penalty) * size + rounding
        return gradient / (penalty * self.rows)


class RemainingHessian(Statistics):
    """The Hessian of the remaining rows: Newton's step, algorithm 1 of Sekhari et al., NeurIPS 2021."""

    @classmethod
    def kept(cls, hessian: Tensor) -> Tensor:
        """Return the Hessian."""
        return hessian

    def without(self, part: Objective) -> Self:
        """Return the statistics without these rows; ``UnlearningError`` if rounding leaves a Hessian that has no inverse."""
        left = replace(super().without(part), matrix=self.matrix - part.hessian(self.anchor))
        if bool(torch.linalg.cholesky_ex(left.matrix).info.any()):
            raise UnlearningError("rows: what they leave of the Hessian cannot be inverted: take a larger penalty, or train again")
        return left

    def change(self) -> Tensor:
        """Return Newton's step."""
        factor = torch.linalg.cholesky(self.matrix)
        return -unblocked(torch.cholesky_solve(blocked(self.gradient, len(factor)), factor), self.anchor.shape)

    def missing(self, loss: Loss, penalty: float) -> float:
        """Return 0."""
        return 0.0


class FixedInverse(Statistics):
    """The inverse Hessian of all rows of the training: the infinitesimal jackknife of Suriyakumar and Wilson, NeurIPS 2022, online."""

    @classmethod
    def kept(cls, hessian: Tensor) -> Tensor:
        """Return the inverse."""
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(hessian))
        return (inverse + inverse.transpose(1, 2)) / 2

    def change(self) -> Tensor:
        """Return the jackknife's step: one product."""
        return -unblocked(self.matrix @ blocked(self.gradient, len(self.matrix)), self.anchor.shape)

    def missing(self, loss: Loss, penalty: float) -> float:
        """Return the largest curvature of the rows that have left."""
        return (self.trained - self.rows) * (loss.smoothness + penalty)


class ProximalJackknife(Statistics):
    """The Hessian of all rows of the training, for a penalty on absolute parameters: the jackknife's proximal form.

    Its step minimises the second-order model of the remaining rows' losses, with their share of the penalty. At such an optimum the
    gradients of all rows do not sum to zero, so that it needs their sum, not only that of the rows that leave.
    """

    @classmethod
    def kept(cls, hessian: Tensor) -> Tensor:
        """Return the Hessian."""
        return hessian

    def change(self) -> Tensor:
        """Return the step to the minimum of the model."""
        return nearest(self.matrix, self.anchor, self.gradient, self.lasso * self.rows) - self.anchor

    def missing(self, loss: Loss, penalty: float) -> float:
        """Return infinity: nothing is proven of it."""
        return math.inf
