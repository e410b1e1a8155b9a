"""What a peer measures of its rows for a request to a spiking network, as sums that a server adds over peers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch

from clients.training import Arrays
from clients.unlearning.spiking.activity import Activity, activity
from clients.unlearning.spiking.synapses import gradients

if TYPE_CHECKING:
    from torch import Tensor

    from clients.models.spikes import SpikingNetwork
    from clients.unlearning.spiking.phases import Batch

FORGET, RETAIN = "forget", "retain"
"""Names of the two kinds of rows, with which the names of their sums begin."""
CLASSES = "retain/classes"
"""Name of the numbers of retained rows by class, int64 (classes,)."""


def sums(module: SpikingNetwork, batches: Mapping[str, Batch]) -> Arrays:
    """Return numbers of rows, spikes of neurons, and gradients of the loss, summed over each kind of rows, by name; none of no rows."""
    found: Arrays = {}
    for part, (x, y) in batches.items():
        if not len(x):
            continue
        one = activity(module, x)
        found |= {f"{part}/rows": np.array(one.rows), f"{part}/spikes": one.spikes, f"{part}/squares": one.squares}
        for name, gradient in gradients(module, x, y).items():
            found[f"{part}/gradient/{name}"] = gradient.double().cpu().numpy() * len(x)
    return found


def summed_activity(totals: Arrays, part: str, steps: int) -> Activity:
    """Return the activity on all rows of a kind that were measured."""
    return Activity(int(totals[f"{part}/rows"]), steps, totals[f"{part}/spikes"], totals[f"{part}/squares"])


def mean_gradients(totals: Arrays, part: str) -> dict[str, Tensor]:
    """Return the gradient of the mean loss over all rows of a kind that were measured, float64, by parameter."""
    start = f"{part}/gradient/"
    named = {name.removeprefix(start): array for name, array in totals.items() if name.startswith(start)}
    return {name: torch.from_numpy(array / totals[f"{part}/rows"]) for name, array in named.items()}
