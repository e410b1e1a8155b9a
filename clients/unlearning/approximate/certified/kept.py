"""An inverse Hessian that is kept between requests: a removal then costs one pass over the rows.

The inverse is that of the Hessian where it was last renewed, without the curvature of rows that have left since (Woodbury's identity) and
with the penalty of all rows of then. A step with it is no Newton step, but nearly one; how near, the measured residual tells.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from clients.unlearning.convex.objective import Objective, blocked, unblocked


@dataclass(frozen=True)
class Kept:
    """What is kept between requests.

    Parameters
    ----------
    anchor : float64 tensor, shape (d, K)
        Parameters at which the Hessian was renewed.
    inverse : float64 tensor, shape (blocks, side, side)
    gradient : float64 tensor, shape (d, K)
        The gradient at the present parameters.
    """

    anchor: Tensor
    inverse: Tensor
    gradient: Tensor

    @classmethod
    def renewed(cls, objective: Objective, weights: Tensor) -> Kept:
        """Return the inverse Hessian and the gradient at these parameters."""
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(objective.hessian(weights)))
        return cls(weights.clone(), inverse, objective.gradient(weights))

    def without(self, gone: Objective, weights: Tensor) -> Kept | None:
        """Return what is kept without these rows, whose objective has no linear term; None where renewing it costs less.

        ``(P - V V')^-1 = A + A V (1 - V' A V)^-1 V' A`` with ``A = P^-1``, for roots ``V V'`` of the rows' curvature at the anchor.
        """
        roots = gone.loss.roots(gone.x, gone.x @ self.anchor, gone.targets)
        if roots.shape[2] > roots.shape[1]:
            return None
        moved = self.inverse @ roots
        inner = torch.eye(roots.shape[2], dtype=torch.float64) - roots.transpose(1, 2) @ moved
        factor, failed = torch.linalg.cholesky_ex(inner)
        if bool(failed.any()):
            return None
        half = torch.linalg.solve_triangular(factor, moved.transpose(1, 2), upper=False)
        return Kept(self.anchor, torch.baddbmm(self.inverse, half.transpose(1, 2), half), self.gradient - gone.gradient(weights))

    def step(self) -> Tensor:
        """Return the step from the present parameters, (d, K)."""
        return -unblocked(self.inverse @ blocked(self.gradient, len(self.inverse)), self.gradient.shape)
