"""Entries of weights that stay as they are: momentum, weight decay and noise move those without a gradient, too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


def holding(module: nn.Module) -> Callable[[], None]:
    """Return a function that sets pruned weights back to what they are now: those of a layer's ``weight`` where its ``pruned`` is true."""
    weights, buffers = dict(module.named_parameters()), dict(module.named_buffers())
    pruned = {name: mask for name, mask in buffers.items() if name.endswith("pruned") and bool(mask.any())}
    return restoring([weights[name.removesuffix("pruned") + "weight"] for name in pruned], [~mask for mask in pruned.values()])


def restoring(parameters: Sequence[Tensor], masks: Sequence[Tensor]) -> Callable[[], None]:
    """Return a function that gives unmasked entries back the bits that they have now.

    Momentum and weight decay move entries whose gradient is zero: a mask of gradients alone would not hold them.

    Parameters
    ----------
    parameters : sequence of tensors
    masks : sequence of bool tensors
        True where an entry may change; shapes as the parameters'.
    """
    import torch

    before = [parameter.detach().clone() for parameter in parameters]

    def restore() -> None:
        with torch.no_grad():
            for parameter, mask, old in zip(parameters, masks, before, strict=True):
                parameter.copy_(torch.where(mask, parameter, old))

    return restore
