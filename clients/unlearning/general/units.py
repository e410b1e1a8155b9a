"""Units of a network, neurons of linear layers and filters of convolutions: what they answer, and the weights that belong to each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from clients.unlearning.contract import UnlearningError

_FILTERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Layers whose units are along the second axis of what they answer; those of linear layers are along the last."""
_PLAIN = 2
"""Dimensions of an answer of rows and units alone."""


class Unit(NamedTuple):
    """A neuron of a linear layer, or a filter of a convolution: the layer's name, and its number in the layer."""

    layer: str
    number: int


def answers(module: nn.Module, x: Tensor) -> tuple[list[Unit], Tensor, Tensor]:
    """Return the units of a network, what each answers to inputs (n, ...), float64 (n, units), and the logits.

    A filter's answer is its mean over places, and a neuron's over positions of a sequence; that of a layer which is asked several times is
    the mean over these. `UnlearningError` if the network has no unit.
    """
    caught: dict[str, list[Tensor]] = {}

    def catching(name: str) -> torch.utils.hooks.RemovableHandle:
        def catch(_: nn.Module, __: Sequence[Tensor], found: Tensor) -> None:
            last = found.detach() if isinstance(parts[name], _FILTERS) else found.detach().movedim(-1, 1)
            caught.setdefault(name, []).append(last.flatten(2).mean(2) if last.dim() > _PLAIN else last)

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
    if not caught:
        raise UnlearningError("units: the network has no linear layer and no convolution; take influence, which asks for none")
    means = {name: torch.stack(found).mean(0) for name, found in caught.items()}
    units = [Unit(name, number) for name, found in means.items() for number in range(found.shape[1])]
    return units, torch.cat(list(means.values()), dim=1).double(), logits


def _sliced(part: nn.Module) -> bool:
    """Return whether a layer has a slice of weights for each unit."""
    return isinstance(part, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d)


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
