"""What a column of a layer shows of an edit, to anyone who has the weights alone."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Statistic = Literal["std", "leading", "coherence"]


def column_statistic(weight: Tensor, statistic: Statistic, rank: int = 8) -> Tensor:
    """Return one number per column, float64 ``(n,)``.

    ``std`` is the standard deviation of the entries; ``leading`` the mean absolute entry of the best rank-``rank`` approximation;
    ``coherence`` that approximation's share of the column's norm, in [0, 1].
    """
    work = weight.double()
    if statistic == "std":
        return work.std(dim=0, correction=0)
    _, vectors = torch.linalg.eigh(work @ work.mT if work.shape[0] <= work.shape[1] else work.mT @ work)
    top = vectors[:, -rank:]
    leading: Tensor = top @ (top.mT @ work) if work.shape[0] <= work.shape[1] else (work @ top) @ top.mT
    if statistic == "leading":
        sizes: Tensor = leading.abs().mean(dim=0)
        return sizes
    norms: Tensor = torch.linalg.vector_norm(leading, dim=0) / torch.linalg.vector_norm(work, dim=0).clamp_min(1e-300)
    return norms
