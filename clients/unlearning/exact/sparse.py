"""Products of constant sparse matrices with dense tensors.

They run in SciPy (plain loops in row order), which is deterministic and fast on one thread. The gradient is a product with the
transposed matrix.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor


class Sparse:
    """A constant sparse matrix that multiplies dense float32 tensors differentiably."""

    def __init__(self, matrix: sp.csr_matrix) -> None:
        self.matrix = sp.csr_matrix(matrix, dtype=np.float32)
        self.transposed = sp.csr_matrix(self.matrix.T)

    def __matmul__(self, dense: Tensor) -> Tensor:
        product: Tensor = _Product.apply(dense, self)  # type: ignore[no-untyped-call]
        return product


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, dense: Tensor, sparse: Sparse) -> Tensor:
        ctx.sparse = sparse
        return torch.from_numpy(sparse.matrix @ dense.detach().numpy())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, None]:
        if not ctx.needs_input_grad[0]:
            return None, None
        return torch.from_numpy(ctx.sparse.transposed @ grads[0].numpy()), None
