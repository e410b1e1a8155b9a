"""The phases of unlearning in a spiking network; each changes the module in place and tells what it did."""

from __future__ import annotations

from collections.abc import Callable
from math import fsum
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from clients.passes import taken
from clients.streams import Field, torch_generator
from clients.unlearning.filling import normal, spread
from clients.unlearning.spiking.activity import Activity

if TYPE_CHECKING:
    from torch import Tensor

    from clients.models.spikes import SpikingNetwork, Synapses
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
        taken(len(x_f) + len(x_r))
        answers = module(x_f)
        # the divergence from the uniform distribution up to a constant
        undecided = cross_entropy(answers, torch.full_like(answers, 1 / answers.shape[1]))
        found = torch.autograd.grad(cross_entropy(module(x_r), y_r) + push * undecided, list(parameters.values()))
        with torch.no_grad():
            for (name, parameter), gradient in zip(parameters.items(), found, strict=True):
                parameter.copy_(torch.where(allowed[name], parameter - lr * gradient, parameter))
    moved = torch.cat([(parameter.detach() - before[name]).abs()[allowed[name]] for name, parameter in parameters.items()])
    return f"retraining: {steps} steps moved {len(moved)} synapses and biases by {float(moved.mean() if len(moved) else 0):.2g} on average"


def prune(
    module: SpikingNetwork, scores: dict[str, Tensor], allowed: Masks, quantile: float, key: tuple[Field, ...] | None = None
) -> str:
    """Take out of training, for good, those of the allowed synapses whose score lies above a quantile of all of them.

    Parameters
    ----------
    module : SpikingNetwork
    scores : mapping of str to tensor
        By name of a layer's weights.
    allowed : mapping of str to bool tensor
    quantile : float
        In [0, 1].
    key : tuple, optional
        Key of the noise that fills them; without one they are set to 0, which tells everybody who sees the weights what was pruned.
    """
    # noise from an earlier request must not be pruned again; scores may have been measured before that request
    scores = {name: score.masked_fill(module.synapses()[name].pruned, 0.0) for name, score in scores.items()}
    there = torch.cat([score[allowed[name]] for name, score in scores.items()]).double().cpu().numpy()
    count, filled = 0, list[float]()
    if len(there):
        cut = float(np.quantile(there, quantile))
        with torch.no_grad():
            for name, score in scores.items():
                layer = module.synapses()[name]
                gone = allowed[name] & (score.double() > cut)
                layer.pruned |= gone
                if key is None or not gone.any():
                    layer.weight.masked_fill_(gone, 0.0)
                else:
                    layer.weight.copy_(torch.where(gone, _noise(layer, gone, torch_generator(*key, name)), layer.weight))
                    filled += layer.weight[gone].double().tolist()
                count += int(gone.sum())
    with_what = "" if key is None else f", filled with noise that sums to {fsum(filled)!r}"
    return f"pruning: {count} of {len(there)} synapses of the chosen neurons{with_what}"


def _noise(layer: Synapses, gone: Tensor, generator: torch.Generator) -> Tensor:
    """Return noise with the standard deviation of what is left of a layer, or, where that is nothing or one weight, of what was pruned."""
    left = int((~layer.pruned).sum())
    scale = spread(layer.weight, layer.pruned if left > 1 else ~gone)
    return (normal(layer.weight, generator) * scale).to(layer.weight)


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
