"""Inverse square roots of Gram matrices, and with them polar factors: ``polar(Z) = (Z Z')^(-1/2) Z``."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from server.revival.stack import Stack

Route = Literal["auto", "eigh", "newton"]

_QUICK = (3.4445, -4.7750, 2.0315)
"""Quintic that raises small singular values fastest and brings all into a band around 1 (Jordan et al. 2024, Muon)."""
_CLASSICAL = (15 / 8, -10 / 8, 3 / 8)
"""Quintic Newton-Schulz, which converges to 1 from that band."""
_SCHEDULE = (_QUICK,) * 6 + (_CLASSICAL,) * 4
QUINTIC_STEPS = len(_SCHEDULE)
"""Steps of an inverse root by products; each takes four products of square matrices."""


def spectrum(gram: Tensor) -> tuple[Tensor, Tensor]:
    """Return singular values, ascending, shape (b, m), and left singular vectors (b, m, m) of the matrices with these Gram matrices."""
    squares, vectors = torch.linalg.eigh(gram)
    return squares.clamp_min(0).sqrt(), vectors


def inverse_root_eigh(gram: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``gram^(-1/2)`` on the row space, shape (b, m, m), and the largest singular value, shape (b,)."""
    values, vectors = spectrum(gram)
    largest = values[:, -1]
    floor = largest[:, None] * (torch.finfo(gram.dtype).eps ** 0.5)  # below it the Gram matrix contains only rounding errors
    scale = torch.where(values > floor, 1 / values.clamp_min(torch.finfo(gram.dtype).tiny), 0.0)
    return (vectors * scale[:, None, :]) @ vectors.mT, largest


def inverse_root_newton(gram: Tensor) -> Tensor:
    """Return an approximation of ``gram^(-1/2)``, shape (b, m, m), by matrix products only.

    Ten quintic steps on the Gram matrix: accurate to rounding for ``s_max / s_min`` up to several hundred; directions with much smaller
    singular values remain partly shrunk.
    """
    scale = torch.linalg.matrix_norm(gram, keepdim=True).clamp_min(torch.finfo(gram.dtype).tiny)
    unit = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device).expand_as(gram)
    product, root = gram / scale, unit
    for a, b, c in _SCHEDULE:
        step = torch.baddbmm(a * unit + b * product, product, product, alpha=c)
        root = step @ root
        product = step @ product @ step
        product = (product + product.mT) / 2  # prevents rounding errors from growing into an antisymmetric part
    unscaled: Tensor = root / scale.sqrt()
    return unscaled


def largest_singular_value(gram: Tensor, start: Tensor, rounds: int) -> tuple[Tensor, Tensor]:
    """Return an estimate of the largest singular value, shape (b,), by power iteration, and the vector (b, m, 1) to continue from."""
    vector = start
    for _ in range(rounds):
        vector = gram @ vector
        vector = vector / torch.linalg.vector_norm(vector, dim=1, keepdim=True).clamp_min(torch.finfo(gram.dtype).tiny)
    squared: Tensor = (vector.mT @ (gram @ vector))[:, 0, 0]
    return squared.clamp_min(0).sqrt(), vector


class Roots:
    """Inverse roots of the slowly changing Gram matrices of one stack."""

    def __init__(self, stack: Stack, route: Route) -> None:
        self._newton = route == "newton" or (route == "auto" and stack.part.is_cuda)
        self._vector: Tensor | None = None

    def __call__(self, gram: Tensor) -> tuple[Tensor, Tensor]:
        """Return the inverse root, shape (b, m, m), and the largest singular value, shape (b,)."""
        if not self._newton:
            return inverse_root_eigh(gram)
        start, rounds = (gram.sum(dim=2, keepdim=True) + gram.diagonal(dim1=1, dim2=2)[..., None], 40)
        if self._vector is not None:
            start, rounds = self._vector, 4
        largest, self._vector = largest_singular_value(gram, start, rounds)
        return inverse_root_newton(gram), largest
