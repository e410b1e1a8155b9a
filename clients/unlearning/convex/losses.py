"""Convex losses of scores, with the constants that certificates need.

Scores are ``(n, K)``: one column for two classes, else one a class. Targets have the same shape: -1 or 1, or 0 and 1 for softmax.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from clients.unlearning.convex.spec import Convex

LEAST = 1e-3
"""Smallest share of a class before shares are normalised to sum 1, for losses whose scores are no log odds."""

SIGMOID = 1 / (6 * math.sqrt(3))
"""Largest third derivative of the logistic loss, at scores of log(2 + sqrt(3)): the largest third central moment of a 0/1 variable."""


class Loss(ABC):
    """A convex loss of one row's scores.

    Attributes
    ----------
    smoothness : float
        Largest second derivative along any unit direction.
    lipschitz : float
        Lipschitz constant of the second derivative; infinite if it jumps.
    """

    smoothness: float
    lipschitz: float

    @abstractmethod
    def values(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Return the losses, (n,)."""

    @abstractmethod
    def slopes(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Return the derivatives by the scores, (n, K)."""

    @abstractmethod
    def hessian(self, x: Tensor, scores: Tensor, targets: Tensor) -> Tensor:
        """Return the sum of second derivatives by the parameters (d, K) as diagonal blocks, (blocks, side, side); blocks * side = d * K."""

    @abstractmethod
    def roots(self, x: Tensor, scores: Tensor, targets: Tensor) -> Tensor:
        """Return V with ``V V'`` the Hessian of these rows, (blocks, side, r)."""

    def targets(self, y: Tensor, classes: int) -> Tensor:
        """Return classes (n,) as targets: -1 or 1, (n, 1) for two classes, else (n, classes)."""
        if classes == 2:
            return (2.0 * y - 1.0)[:, None]
        return 2.0 * torch.nn.functional.one_hot(y, classes).to(torch.float64) - 1.0

    @abstractmethod
    def steepness(self, outputs: int) -> float:
        """Return the largest norm of the slopes of one row with this many scores; infinite for the squared loss."""

    def remainders(self, change: Tensor) -> Tensor:
        """Return bounds on the norm of what a first-order expansion of the slopes misses, (n,), for changes of the scores (n, K)."""
        return self.lipschitz / 2 * change.square().square().sum(1).sqrt()

    @abstractmethod
    def probabilities(self, scores: Tensor) -> Tensor:
        """Return class probabilities, (n, classes)."""


class _Separate(Loss):
    """A loss that is a sum over the scores, one block of the Hessian each."""

    @abstractmethod
    def curvature(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Return the second derivatives by the scores, (n, K)."""

    @abstractmethod
    def shares(self, scores: Tensor) -> Tensor:
        """Return the share of the positive side, (n, K)."""

    def steepness(self, outputs: int) -> float:
        """Return the norm of slopes of size 1."""
        return math.sqrt(outputs)

    def hessian(self, x: Tensor, scores: Tensor, targets: Tensor) -> Tensor:
        """Return one block a score, (K, d, d)."""
        weights = self.curvature(scores, targets)
        return torch.stack([x.T @ (x * weights[:, [k]]) for k in range(weights.shape[1])])

    def roots(self, x: Tensor, scores: Tensor, targets: Tensor) -> Tensor:
        """Return the rows times the square roots of their curvature, (K, d, n)."""
        return x.T[None] * self.curvature(scores, targets).sqrt().T[:, None, :]

    def probabilities(self, scores: Tensor) -> Tensor:
        """Return the shares, normalised to sum 1."""
        shares = self.shares(scores)
        if shares.shape[1] == 1:
            return torch.cat([1 - shares, shares], 1)
        return shares / shares.sum(1, keepdim=True)


class Logistic(_Separate):
    """``log(1 + exp(-t z))``."""

    smoothness, lipschitz = 0.25, SIGMOID

    def values(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Return the losses, (n,)."""
        return torch.nn.functional.softplus(-targets * scores).sum(1)

    def slopes(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Return the derivatives by the scores, (n, K)."""
        return -targets * torch.sigmoid(-targets * scores)

    def curvature(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Return the second derivatives by the scores, (n, K)."""
        return torch.sigmoid(scores) * torch.sigmoid(-scores)

    def shares(self, scores: Tensor) -> Tensor:
        """Return the sigmoid of the scores."""
        return torch.sigmoid(scores)


class Squared(_Separate):
    """``(z - t)^2 / 2``."""

    smoothness, lipschitz = 1.0, 0.0

    def values(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Return the losses, (n,)."""
        return (scores - targets).square().sum(1) / 2

    def steepness(self, outputs: int) -> float:
        """Return infinity."""
        return math.inf

    def slopes(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Return the derivatives by the scores, (n, K)."""
        return scores - targets

    def curvature(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Return ones."""
        return torch.ones_like(scores)

    def shares(self, scores: Tensor) -> Tensor:
        """Return scores of -1 to 1 as shares, cut off where no probability lies."""
        return ((1 + scores) / 2).clamp(LEAST, 1 - LEAST)


class HuberHinge(Squared):
    """Hinge loss whose corner at ``t z = 1`` is a parabola of half width h: ``(1 + h - t z)^2 / (4 h)`` within h (Chapelle 2007).

    Its second derivative jumps, so that no Lipschitz constant of it exists.
    """

    lipschitz = math.inf

    def __init__(self, corner: float) -> None:
        self.corner, self.smoothness = corner, 1 / (2 * corner)

    def steepness(self, outputs: int) -> float:
        """Return the norm of slopes of size 1."""
        return math.sqrt(outputs)

    def values(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Return the losses, (n,)."""
        short = 1 + self.corner - targets * scores
        inside = short.clamp(0, 2 * self.corner)
        return (inside.square() / (4 * self.corner) + (short - inside).clamp(min=0)).sum(1)

    def slopes(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Return the derivatives by the scores, (n, K)."""
        return -targets * ((1 + self.corner - targets * scores) / (2 * self.corner)).clamp(0, 1)

    def curvature(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Return the second derivatives by the scores, (n, K); at a jump, that of the parabola."""
        inside = (1 - targets * scores).abs() <= self.corner
        return inside.to(torch.float64) / (2 * self.corner)


class Softmax(Loss):
    """Cross-entropy of the softmax of all scores.

    The third derivative along u is the third central moment of u under the probabilities, at most R^3 / (6 sqrt(3)) for values within a
    range R, and the entries of a unit vector lie within a range of sqrt(2).
    """

    smoothness, lipschitz = 0.5, 2 * math.sqrt(2) * SIGMOID

    def values(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Return the losses, (n,)."""
        return torch.logsumexp(scores, 1) - (targets * scores).sum(1)

    def steepness(self, outputs: int) -> float:
        """Return the distance between two corners of the simplex."""
        return math.sqrt(2)

    def targets(self, y: Tensor, classes: int) -> Tensor:
        """Return classes (n,) as 0/1 rows, (n, classes)."""
        return torch.nn.functional.one_hot(y, classes).to(torch.float64)

    def slopes(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Return the derivatives by the scores, (n, K)."""
        return torch.softmax(scores, 1) - targets

    def hessian(self, x: Tensor, scores: Tensor, targets: Tensor) -> Tensor:
        """Return a single block, (1, K d, K d), class by class."""
        p = torch.softmax(scores, 1)
        d, k = x.shape[1], scores.shape[1]
        whole = torch.empty((k, d, k, d), dtype=torch.float64)
        for a in range(k):
            for b in range(a + 1):
                weights = p[:, [a]] * (float(a == b) - p[:, [b]])
                whole[a, :, b] = whole[b, :, a] = x.T @ (x * weights)
        return whole.reshape(1, k * d, k * d)

    def roots(self, x: Tensor, scores: Tensor, targets: Tensor) -> Tensor:
        """Return products of the rows and the columns of ``(1 - p 1') diag(sqrt(p))``, (1, K d, n K)."""
        p = torch.softmax(scores, 1)
        columns = (torch.eye(p.shape[1], dtype=torch.float64) - p[:, :, None]) * p.sqrt()[:, None, :]
        return torch.einsum("nd,nkr->kdnr", x, columns).reshape(1, x.shape[1] * p.shape[1], -1)

    def remainders(self, change: Tensor) -> Tensor:
        """Return bounds on what a first-order expansion of the slopes misses, (n,)."""
        return self.lipschitz / 2 * change.square().sum(1)

    def probabilities(self, scores: Tensor) -> Tensor:
        """Return the softmax."""
        return torch.softmax(scores, 1)


def loss_of(spec: Convex) -> Loss:
    """Return the loss that a table names."""
    if spec.multiclass == "softmax":
        return Softmax()
    if spec.loss == "huber_hinge":
        return HuberHinge(spec.corner)
    return Logistic() if spec.loss == "logistic" else Squared()
