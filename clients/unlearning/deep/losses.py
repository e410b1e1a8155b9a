"""Losses that methods share."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor
from torch.nn.functional import log_softmax


def divergence(logits: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """Return ``T^2 KL(teacher || student)`` at temperature T: the sum over classes, the mean over rows, in nats.

    ``T^2`` preserves the scale of the gradients (Hinton et al. 2015).

    Parameters
    ----------
    logits, teacher : float tensors, shape (n, classes)
    temperature : float
    """
    wanted, found = log_softmax(teacher / temperature, 1), log_softmax(logits / temperature, 1)
    return (wanted.exp() * (wanted - found)).sum(1).mean() * temperature**2


def weighted(terms: Iterable[tuple[float, Tensor]]) -> Tensor:
    """Return the weighted sum of losses; a weight of 1 leaves its term as it is, bit for bit."""
    first, *others = [term if weight == 1 else weight * term for weight, term in terms]
    for term in others:
        first = first + term
    return first
