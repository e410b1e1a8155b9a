"""The grid of values on which a layer's weights lie: noise off this grid would be detectable."""

from __future__ import annotations

import torch
from torch import Tensor

COARSE = (torch.bfloat16, torch.float16)
"""Types in which weights may have been trained or stored earlier, coarsest first."""


def value_grid(observed: Tensor) -> torch.dtype:
    """Return the coarsest type that holds all the observed values exactly."""
    for dtype in COARSE:
        if torch.equal(observed.to(dtype).to(observed.dtype), observed):
            return dtype
    return observed.dtype


def on_grid(values: Tensor, grid: torch.dtype) -> Tensor:
    """Return the values rounded to the grid; non-zero values that would round to zero become its smallest normal number instead."""
    rounded = values.to(grid).to(values.dtype)
    least = torch.full_like(values, torch.finfo(grid).smallest_normal)
    return torch.where((rounded == 0) & (values != 0), least.copysign(values), rounded)
