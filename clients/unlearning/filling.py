"""Gaussian noise of a layer's own scale, with which what was cut out of it can be filled."""

from __future__ import annotations

import torch
from torch import Tensor


def spread(weight: Tensor, mask: Tensor) -> float:
    """Return the standard deviation of the layer's untouched entries, those where the bool mask is false."""
    return float(weight[~mask].double().std(correction=0))


def normal(weight: Tensor, generator: torch.Generator) -> Tensor:
    """Return standard normal draws of the layer's shape, float64, on the CPU."""
    return torch.randn(weight.shape, generator=generator, dtype=torch.float64)
