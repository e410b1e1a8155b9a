"""Which synapses belong to neurons, and which of them learned the rows to forget."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import torch

from clients.passes import taken
from clients.unlearning.spiking.activity import Neurons

if TYPE_CHECKING:
    from torch import Tensor

    from clients.models.spikes import SpikingNetwork

Masks = dict[str, "Tensor"]
"""A bool tensor of its shape for each parameter, by name."""

_DAMPING = 1e-6
"""Added to the retained rows' gradient, which may be 0."""


def candidates(module: SpikingNetwork, neurons: Neurons, classes: Iterable[int]) -> Masks:
    """Return the synapses into and out of neurons, and the weights and bias of the outputs of these classes."""
    masks = {name: torch.zeros_like(parameter, dtype=torch.bool) for name, parameter in module.named_parameters()}
    before: Tensor | None = None
    for place, part in enumerate(np.split(neurons, np.cumsum([len(layer.threshold) for layer in module.firing])[:-1])):
        chosen = torch.from_numpy(part).to(module.readout.bias.device)
        masks[f"hidden.{place}.weight"][chosen] = True
        if before is not None:
            masks[f"hidden.{place}.weight"][:, before] = True
        before = chosen
    masks["readout.weight"][:, before] = True
    for label in classes:
        masks["readout.weight"][label] = masks["readout.bias"][label] = True
    return masks


def scores(module: SpikingNetwork, forget: dict[str, Tensor], retain: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return how much each synapse answers to the rows to forget and not to others: ``|w| |g_f| / (|g_r| + tau)``, by name of its weights.

    ``forget`` and ``retain`` are the gradients of the loss on the rows to forget and on retained ones.
    """
    named = {name: parameter.detach() for name, parameter in module.named_parameters() if name.endswith("weight")}
    return {name: weight.abs() * forget[name].abs() / (retain[name].abs() + _DAMPING) for name, weight in named.items()}


def gradients(module: SpikingNetwork, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Return the gradient of the mean cross-entropy on rows, by parameter."""
    taken(len(x))
    names, parameters = zip(*module.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(torch.nn.functional.cross_entropy(module(x), y), parameters), strict=True))
