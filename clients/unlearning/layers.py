"""The layers of a network, from its inputs to its outputs, and what enters the last one."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from clients.unlearning.contract import UnlearningError


def layers(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return name and module of every layer with parameters of its own, in the order in which the network was built."""
    found = [(name, part) for name, part in module.named_modules() if next(part.parameters(recurse=False), None) is not None]
    if not found:
        raise ValueError(f"{type(module).__name__} has no parameters: take a network that has")
    return found


def features(module: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits (n, classes), and what enters the last layer, flat (n, d), for inputs (n, ...)."""
    caught: list[Tensor] = []

    def catch(_: nn.Module, given: Sequence[Tensor]) -> None:
        caught.append(given[0])

    handle = layers(module)[-1][1].register_forward_pre_hook(catch)
    try:
        logits: Tensor = module(x)
    finally:
        handle.remove()
    return logits, caught[-1].flatten(1)


def keep_all_but(module: nn.Module, last: int) -> None:
    """Let only the last layers learn; of the others not even running means change."""
    found = layers(module)
    if last > len(found):
        raise UnlearningError(f"layers = {last}, but the network has {len(found)}: lower it")
    for _, part in found[:-last]:
        for parameter in part.parameters(recurse=False):
            parameter.requires_grad_(False)


def frozen_in_evaluation(module: nn.Module) -> None:
    """Put the layers that do not learn into evaluation mode."""
    for _, part in layers(module):
        if not any(parameter.requires_grad for parameter in part.parameters(recurse=False)):
            part.eval()
