"""Losses that methods share."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax, one_hot

MASKED = -100
"""In place of a word's class: the word is no part of the answer, a prompt's or padding."""


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


def log_likelihood(logits: Tensor, y: Tensor) -> Tensor:
    """Return the log-probability of each row's answer, (n,), in nats: the sum over its words, without those that are `MASKED`.

    Parameters
    ----------
    logits : float tensor, shape (n, classes) or (n, words, classes)
    y : int64 tensor, shape (n,) or (n, words)
    """
    words = cross_entropy(logits.flatten(0, -2), y.flatten(), ignore_index=MASKED, reduction="none")
    return -words.reshape(len(y), -1).sum(1)


def counted(y: Tensor) -> Tensor:
    """Return how many words each answer has, int64 (n,), without those that are `MASKED`."""
    return (y != MASKED).reshape(len(y), -1).sum(1)


def lowered(logits: Tensor, y: Tensor, beta: float) -> Tensor:
    """Return logits with those of the right classes lowered by ``beta``; those of masked words as they are."""
    there = (y != MASKED).unsqueeze(-1)
    return logits - beta * (there * one_hot(y.clamp(min=0), logits.shape[-1]))


def weighted(terms: Iterable[tuple[float, Tensor]]) -> Tensor:
    """Return the weighted sum of losses; a weight of 1 leaves its term as it is, bit for bit."""
    first, *others = [term if weight == 1 else weight * term for weight, term in terms]
    for term in others:
        first = first + term
    return first
