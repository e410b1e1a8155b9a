"""The sums over rows that Newton's method needs at one point: those of parts of the rows add up to those of all rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from clients.unlearning.contract import State
from clients.unlearning.convex.objective import UNIT, Objective, blocked, unblocked

COUNT, GRADIENT, HESSIAN, ROUNDING = "n", "gradient", "hessian", "rounding"
"""Names of the sums as arrays."""


@dataclass(frozen=True)
class ObjectiveSums:
    """The derivatives of an objective at one point.

    Parameters
    ----------
    rows : int
    gradient : float64 tensor, shape (d, K)
        With the linear term.
    hessian : float64 tensor, shape (blocks, side, side)
    rounding : float
        Upper bound on the norm of the gradient's rounding error.
    """

    rows: int
    gradient: Tensor
    hessian: Tensor
    rounding: float

    @classmethod
    def of(cls, objective: Objective, weights: Tensor) -> Self:
        """Return the sums over the rows of an objective at these parameters."""
        point = objective.at(weights)
        return cls(len(objective.x), point.gradient, objective.hessian(weights), point.rounding)

    @classmethod
    def total(cls, parts: Sequence[Self]) -> Self:
        """Return the sums over all parts, added in their order; the rounding of the additions is charged."""
        gradient, hessian = torch.zeros_like(parts[0].gradient), torch.zeros_like(parts[0].hessian)
        for part in parts:
            gradient += part.gradient
            hessian += part.hessian
        added = 2 * UNIT * len(parts) * sum(float(part.gradient.norm()) for part in parts)
        return cls(sum(part.rows for part in parts), gradient, hessian, sum(part.rounding for part in parts) + added)

    @property
    def residual(self) -> float:
        """A certain upper bound on the norm of the true gradient."""
        return float(self.gradient.norm()) + self.rounding

    def step(self) -> Tensor:
        """Return Newton's step, (d, K)."""
        factor = torch.linalg.cholesky(self.hessian)
        return -unblocked(torch.cholesky_solve(blocked(self.gradient, len(factor)), factor), self.gradient.shape)

    def arrays(self) -> State:
        """Return the sums as arrays by name."""
        numbers = {COUNT: np.array([self.rows]), ROUNDING: np.array([self.rounding])}
        return {**numbers, GRADIENT: self.gradient.contiguous().numpy(), HESSIAN: self.hessian.contiguous().numpy()}

    @classmethod
    def read(cls, arrays: State) -> Self:
        """Return the sums that were written as these arrays."""
        gradient, hessian = torch.tensor(arrays[GRADIENT]), torch.tensor(arrays[HESSIAN])
        return cls(int(arrays[COUNT][0]), gradient, hessian, float(arrays[ROUNDING][0]))
