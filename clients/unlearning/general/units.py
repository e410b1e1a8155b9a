"""Units of a network, neurons and filters: what they answer, and the weights that belong to each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

_MATRIX = 2
"""Least dimensions of a weight that has a slice for each unit."""


class Unit(NamedTuple):
    """A neuron of a linear layer, or a filter of a convolution: the layer's name, and its number in the layer."""

    layer: str
    number: int


def answers(module: nn.Module, x: Tensor) -> tuple[list[Unit], Tensor, Tensor]:
    """Return the units of a network, what each answers to inputs (n, ...), float64 (n, units), and the logits.

    A filter's answer is its mean over places; that of a layer which is asked several times is the mean over these.
    """
    caught: dict[str, list[Tensor]] = {}

    def catching(name: str) -> torch.utils.hooks.RemovableHandle:
        def catch(_: nn.Module, __: Sequence[Tensor], found: Tensor) -> None:
            caught.setdefault(name, []).append(found.detach().flatten(2).mean(2) if found.dim() > _MATRIX else found.detach())

        handle: torch.utils.hooks.RemovableHandle = parts[name].register_forward_hook(catch)
        return handle

    parts = {name: part for name, part in module.named_modules() if _sliced(part)}
    handles = [catching(name) for name in parts]
    try:
        with torch.no_grad():
            logits: Tensor = module(x)
    finally:
        for handle in handles:
            handle.remove()
    means = {name: torch.stack(found).mean(0) for name, found in caught.items()}
    units = [Unit(name, number) for name, found in means.items() for number in range(found.shape[1])]
    return units, torch.cat(list(means.values()), dim=1).double(), logits


def _sliced(part: nn.Module) -> bool:
    """Return whether a layer has a slice of weights for each unit."""
    weight = getattr(part, "weight", None)
    return isinstance(weight, Tensor) and weight.dim() >= _MATRIX


def masks(module: nn.Module, units: Sequence[Unit]) -> dict[str, Tensor]:
    """Return for each trained parameter which of its entries belong to some units: their weights and biases."""
    found = {name: torch.zeros_like(part, dtype=torch.bool) for name, part in module.named_parameters() if part.requires_grad}
    for unit in units:
        for kind in ("weight", "bias"):
            name = f"{unit.layer}.{kind}" if unit.layer else kind
            if name in found:
                found[name][unit.number] = True
    return found


def among(module: nn.Module, masks: dict[str, Tensor]) -> list[Unit]:
    """Return the units some of whose weights are in masks of parameters; see `masks`."""
    parts = [(name, f"{name}.weight" if name else "weight") for name, part in module.named_modules() if _sliced(part)]
    found = [(name, masks[weight].flatten(1).any(1).nonzero().flatten().tolist()) for name, weight in parts if weight in masks]
    return [Unit(name, number) for name, numbers in found for number in numbers]
