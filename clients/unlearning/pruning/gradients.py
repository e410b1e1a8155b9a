"""Shared parts of gradient-based erasers: parameters in scope, gradients, and thresholds over all parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from clients.unlearning.pruning.contract import Scope


def chosen(module: nn.Module, scope: Scope) -> dict[str, nn.Parameter]:
    """Return the parameters in scope, by name."""
    tests: dict[Scope, Callable[[str], bool]] = {
        "feed_forward_out": lambda name: name.endswith(".ff.net.2.weight"),
        "feed_forward": lambda name: ".ff." in name,
        "cross_attention": lambda name: ".attn2." in name,
        "all_but_cross_attention": lambda name: ".attn2." not in name,
        "all": lambda _: True,
    }
    return {name: parameter for name, parameter in module.named_parameters() if tests[scope](name)}


def copies(parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """Return copies of the parameters on the CPU, by name."""
    return {name: parameter.detach().to("cpu", copy=True) for name, parameter in parameters.items()}


def gradients(loss: Tensor, parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """Return the gradient of a scalar by parameter name; zeros for parameters on which it does not depend."""
    found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
    return {n: torch.zeros_like(p) if g is None else g for (n, p), g in zip(parameters.items(), found, strict=True)}


def follow(optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter], directions: Mapping[str, Tensor]) -> None:
    """Let an optimizer take one step along directions by parameter name, as if they were the gradients."""
    for name, parameter in parameters.items():
        parameter.grad = directions[name]
    optimizer.step()


def mean_gradients(loss: Callable[[int], Tensor], batches: int, parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """Return the mean gradient over batches ``0 .. batches - 1``."""
    total = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
    for i in range(batches):
        for name, gradient in gradients(loss(i), parameters).items():
            total[name] += gradient / batches
    return total


def largest_share(scores: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Return bool tensors, true for the ``round(share * entries)`` largest scores over all tensors; ties are broken by order.

    They lie on the scores' device.
    """
    flat = torch.cat([score.flatten() for score in scores.values()])
    mask = torch.zeros_like(flat, dtype=torch.bool)
    mask[torch.sort(flat, descending=True, stable=True).indices[: int(share * len(flat) + 0.5)]] = True
    parts = mask.split_with_sizes([score.numel() for score in scores.values()])
    return {n: part.view(s.shape) for (n, s), part in zip(scores.items(), parts, strict=True)}


@contextmanager
def borrowed(module: nn.Module, parameters: Mapping[str, nn.Parameter]) -> Iterator[None]:
    """Make the parameters trainable inside the context; restore their values and ``requires_grad`` afterwards."""
    before = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    needed = {name: parameter.requires_grad for name, parameter in module.named_parameters()}
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name in parameters)
    try:
        yield
    finally:
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(before[name])
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(needed[name])
            parameter.grad = None
