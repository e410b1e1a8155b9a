"""Adam and stochastic gradient descent for a stack of networks, each of which may have taken another number of steps."""

from __future__ import annotations

from collections.abc import Callable

import torch

from clients.training import Adam, Sgd

_BETAS, _EPSILON = (0.9, 0.999), 1e-8


def optimizer(settings: Adam | Sgd, weights: torch.Tensor) -> Callable[[torch.Tensor], None]:
    """Return a fresh optimiser of weights (networks, parameters), as `clients.training.train` uses for one network.

    It takes the gradients of the first networks, as many as they have rows, and changes these networks' weights in place; the others,
    with their moments and counts of steps, stay as they are.
    """
    return _sgd(settings, weights) if isinstance(settings, Sgd) else _adam(settings, weights)


def _sgd(settings: Sgd, weights: torch.Tensor) -> Callable[[torch.Tensor], None]:
    momentum = torch.zeros_like(weights) if settings.momentum else None

    def step(gradient: torch.Tensor) -> None:
        first = slice(len(gradient))
        if settings.weight_decay:
            gradient = gradient.add(weights[first], alpha=settings.weight_decay)
        if momentum is not None:
            gradient = momentum[first].mul_(settings.momentum).add_(gradient)
        weights[first].sub_(gradient, alpha=settings.lr)

    return step


def _adam(settings: Adam, weights: torch.Tensor) -> Callable[[torch.Tensor], None]:
    """Return AdamW (Loshchilov and Hutter 2019, algorithm 2), with torch's usual constants."""
    mean, square = torch.zeros_like(weights), torch.zeros_like(weights)
    steps = torch.zeros(len(weights), 1, dtype=torch.float64, device=weights.device)

    def step(gradient: torch.Tensor) -> None:
        first = slice(len(gradient))
        steps[first] += 1
        mean[first].lerp_(gradient, 1 - _BETAS[0])
        square[first].mul_(_BETAS[1]).addcmul_(gradient, gradient, value=1 - _BETAS[1])
        rate = (settings.lr / (1 - _BETAS[0] ** steps[first])).to(weights.dtype)
        scale = (1 - _BETAS[1] ** steps[first]).sqrt().to(weights.dtype)
        if settings.weight_decay:
            weights[first].mul_(1 - settings.lr * settings.weight_decay)
        weights[first].sub_(rate * mean[first] / (square[first].sqrt() / scale + _EPSILON))

    return step
