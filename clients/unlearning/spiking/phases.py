"""The phases of unlearning in a spiking network; each changes the module in place and tells what it did."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from clients.unlearning.spiking.activity import Activity

if TYPE_CHECKING:
    from torch import Tensor

    from clients.models.spikes import SpikingNetwork
    from clients.unlearning.spiking.synapses import Masks

Batch = tuple["Tensor", "Tensor"]
"""Inputs and classes."""


def retrain(
    module: SpikingNetwork, allowed: Masks, batches: Callable[[int], tuple[Batch, Batch]], *, steps: int, lr: float, push: float
) -> str:
    """Descend on retained rows, and towards undecided answers on the rows to forget, with the allowed synapses only.

    A step is ``-lr (grad CE(retained) + push grad KL(uniform || answers on the rows to forget))``.

    Parameters
    ----------
    module : SpikingNetwork
    allowed : mapping of str to bool tensor
        What may change, by parameter.
    batches : callable
        Returns the rows to forget and retained rows for a step.
    """
    parameters = dict(module.named_parameters())
    before = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    for step in range(steps):
        (x_f, _), (x_r, y_r) = batches(step)
        answers = module(x_f)
        # the divergence from the uniform distribution up to a constant
        undecided = cross_entropy(answers, torch.full_like(answers, 1 / answers.shape[1]))
        found = torch.autograd.grad(cross_entropy(module(x_r), y_r) + push * undecided, list(parameters.values()))
        with torch.no_grad():
            for (name, parameter), gradient in zip(parameters.items(), found, strict=True):
                parameter.copy_(torch.where(allowed[name], parameter - lr * gradient, parameter))
    moved = torch.cat([(parameter.detach() - before[name]).abs()[allowed[name]] for name, parameter in parameters.items()])
    return f"retraining: {steps} steps moved {len(moved)} synapses and biases by {float(moved.mean() if len(moved) else 0):.2g} on average"


def prune(module: SpikingNetwork, scores: dict[str, Tensor], allowed: Masks, quantile: float) -> str:
    """Set those of the allowed synapses to 0, for good, whose score lies above a quantile of all of them."""
    there = torch.cat([score[allowed[name]] for name, score in scores.items()]).double().cpu().numpy()
    count = 0
    if len(there):
        cut = float(np.quantile(there, quantile))
        with torch.no_grad():
            for name, score in scores.items():
                layer = module.synapses()[name]
                gone = allowed[name] & (score.double() > cut)
                layer.pruned |= gone
                layer.weight.masked_fill_(gone, 0.0)
                count += int(gone.sum())
    return f"pruning: {count} of {len(there)} synapses of the chosen neurons"


def raise_thresholds(module: SpikingNetwork, forget: Activity, retain: Activity, *, gain: float, ceiling: float) -> str:
    """Raise the threshold of every neuron that fires more often on the rows to forget than on others.

    ``threshold (1 + gain (r_f - r_r) / (r_f + r_r))``, at most ``ceiling``; r are mean firing rates. No threshold falls.
    """
    r_f, r_r = forget.rates, retain.rates
    excess = np.divide(r_f - r_r, r_f + r_r, out=np.zeros_like(r_f), where=r_f > r_r)
    risen, highest, start = 0, 0.0, 0
    for layer in module.firing:
        old = layer.threshold
        factor = torch.from_numpy(1 + gain * excess[start : start + len(old)]).to(old)
        new = torch.maximum(old, torch.clamp(old * factor, max=ceiling))
        risen, highest, start = risen + int((new > old).sum()), max(highest, float(new.max())), start + len(old)
        layer.threshold.copy_(new)
    return f"thresholds: {risen} of {start} raised, the highest is {highest:.3g}"
