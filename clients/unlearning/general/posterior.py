"""The normal approximation of what rows tell of a network's weights: mean, precision, and what is left of it without some rows.

Tanno, Pradier, Nori and Li, "Repairing Neural Networks by Leaving the Right Past Behind", NeurIPS 2022 (arXiv 2207.04806). Of the paper the
two steps are taken, identify and erase; the equations are this project's reading.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from clients import streams
from clients.data.rows import Rows
from clients.passes import taken
from clients.streams import Field
from clients.unlearning.general.curvature import Curvature, conjugate_gradients, joined

if TYPE_CHECKING:
    from torch import Tensor

Fisher = Literal["diagonal", "full"]
Labels = Literal["sampled", "data"]

_TOLERANCE, _ITERATIONS = 1e-6, 100
"""Relative residual and number of iterations at which a solve with the full Fisher information ends."""


def squares(curvature: Curvature, rows: Rows, labels: Labels, key: tuple[Field, ...]) -> Tensor:
    """Return the sum over rows of the squares of each row's own gradient, without the penalty: the Fisher's diagonal, float64 (k,).

    Every row is differentiated by itself, as the square of a batch's mean gradient would depend on the batch.

    Parameters
    ----------
    labels : {"sampled", "data"}
        The class of each row: drawn from the model's answer by the key and the row's id (the Fisher information), or the row's own (the
        empirical Fisher information, which is something else).
    """
    import torch

    taken(len(rows))
    found = torch.zeros_like(curvature.flat())
    draws = streams.uniforms(rows.ids, *key, "labels")
    for i in range(len(rows)):
        (logits,) = curvature.module(curvature.network.inputs(rows.x[i : i + 1]).double())
        wanted = int(rows.y[i]) if labels == "data" else _drawn(logits.detach(), float(draws[i]))
        loss = torch.logsumexp(logits, 0) - logits[wanted]
        found += joined(torch.autograd.grad(loss, curvature.parameters)).square()
    return found


def _drawn(logits: Tensor, draw: float) -> int:
    """Return a class by its probability, given a uniform number."""
    edges = logits.double().softmax(0).cumsum(0).cpu().numpy()
    return min(int(np.searchsorted(edges, draw, side="right")), len(edges) - 1)


class DiagonalPrecision:
    """The diagonal of a precision, from the Fisher's diagonals of the rows that are kept and of the others, with their shares of the prior.

    Parameters
    ----------
    kept, gone : float64 tensor, shape (k,)
        See `squares`; sums over several holders of rows are as good as those of one.
    damping : float
        Added to both, as a multiple of the mean of their sum.
    """

    def __init__(self, kept: Tensor, gone: Tensor, damping: float) -> None:
        whole = kept + gone
        added = damping * float(whole.mean())
        self.whole, self.kept = whole + added, kept + added

    def solve(self, right: Tensor) -> Tensor:
        """Return ``A^-1 right``, with the precision given all rows; 0 where nothing is known."""
        return _divided(right, self.whole)

    def solve_kept(self, right: Tensor) -> Tensor:
        """Return ``(A - F_C)^-1 right``, with the precision given the kept rows; 0 where nothing is known."""
        return _divided(right, self.kept)


def _divided(right: Tensor, diagonal: Tensor) -> Tensor:
    import torch

    return torch.where(diagonal > 0, right / diagonal, 0.0)


class Precision:
    """The precision of the weights given all rows, and given those that are kept.

    With the penalty of training as the prior, ``A`` is the sum over rows of Fisher information and penalty, so that each row takes its
    share of the penalty with it.

    Parameters
    ----------
    curvature : Curvature
    kept : sequence of Rows
        The rows that are kept, as one part or several, such as those of several holders: all that is needed are sums over parts.
    gone : Rows
        The other rows of the training.
    fisher : {"diagonal", "full"}
        Only the diagonal, or products with the whole matrix and a conjugate-gradient solve.
    labels : {"sampled", "data"}
        Labels of the diagonal; see `squares`. The full matrix is the expectation over the model's own labels.
    damping : float
        Added to both, as a multiple of the mean of the diagonal of ``A``.
    key : tuple
        Key of the sampled labels.
    """

    def __init__(
        self, curvature: Curvature, kept: Sequence[Rows], gone: Rows, fisher: Fisher, labels: Labels, damping: float, key: tuple[Field, ...]
    ) -> None:
        self.curvature, self.fisher, self.parts, self._damping = curvature, fisher, (*kept, gone), 0.0
        self.residual = 0.0
        """Largest residual of a solve so far, relative to its right side."""
        if fisher == "diagonal":
            *mine, other = (squares(curvature, rows, labels, key) + curvature.decay * len(rows) for rows in self.parts)
            self._diagonal = DiagonalPrecision(sum(mine[1:], mine[0]), other, damping)
        else:
            self._damping = damping * self._mean_of_diagonal(key)

    def solve(self, right: Tensor) -> Tensor:
        """Return ``A^-1 right``, with the precision given all rows."""
        return self._diagonal.solve(right) if self.fisher == "diagonal" else self._solved(right, len(self.parts))

    def solve_kept(self, right: Tensor) -> Tensor:
        """Return ``(A - F_C)^-1 right``, with the precision given the kept rows."""
        return self._diagonal.solve_kept(right) if self.fisher == "diagonal" else self._solved(right, len(self.parts) - 1)

    def _solved(self, right: Tensor, parts: int) -> Tensor:
        found = conjugate_gradients(lambda direction: self._product(direction, parts), right, _TOLERANCE, _ITERATIONS)
        self.residual = max(self.residual, found.residual)
        return found.x

    def _product(self, direction: Tensor, parts: int) -> Tensor:
        found = self._damping * direction
        for rows in self.parts[:parts]:
            found = found + self.curvature.product(rows, direction, "gauss_newton")
        return found

    def _mean_of_diagonal(self, key: tuple[Field, ...]) -> float:
        """Return an unbiased estimate of the mean of the diagonal of ``A``, by one vector of keyed signs (Hutchinson)."""
        import torch

        flat = self.curvature.flat()
        signs = torch.from_numpy(np.sign(streams.uniforms(np.arange(len(flat)), *key, "signs") - 0.5)).to(flat)
        return float(signs @ self._product(signs, len(self.parts))) / len(flat)


class Moved(NamedTuple):
    """Where steps ended, float64 (k,), the number taken, and whether they ended because they grew."""

    weights: Tensor
    steps: int
    grew: bool


def stepwise(start: Tensor, solve: Callable[[Tensor], Tensor], gradient: Callable[[Tensor], Tensor], most: int) -> Moved:
    """Move to where ``J(w) = - sum_C l(w) + (w - start)' A (w - start) / 2`` is flat: ``A (w - start) = sum_C grad l(w)``.

    The quadratic carries the curvature of all rows, as the exact loss of C takes its own away; with ``A - F_C`` it would leave twice. J
    is unbounded below where the loss of C falls faster than the quadratic rises: steps that grow end it.

    Parameters
    ----------
    start : float64 tensor, shape (k,)
        The trained weights.
    solve : callable
        Returns ``A^-1 v``.
    gradient : callable
        Returns the gradient of the summed loss of C at given weights.
    most : int
        Largest number of steps.
    """
    at, before = start, float("inf")
    for done in range(most):
        there = start + solve(gradient(at))
        size = float((there - at).norm())
        if size > before:
            return Moved(at, done, True)
        at, before = there, size
    return Moved(at, most, False)
