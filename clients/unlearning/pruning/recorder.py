"""Recording of the hidden activations of the feed-forward layers during sampling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from clients.unlearning.contract import UnlearningError
from clients.unlearning.pruning.contract import Subject
from clients.unlearning.pruning.layers import feed_forward_layers

Halves = Literal["cond", "both"]


class _EnoughError(Exception):
    """Ends a sampler run whose later calls are not needed."""


@dataclass(frozen=True)
class Activity:
    """Activation statistics: sums over samples and positions, by layer name; the statistics of two peers can be added.

    Parameters
    ----------
    sums : dict of str to float64 tensor, shape (calls, n)
    rows : dict of str to int
        Number of summed rows (samples times positions) per call.
    samples : int
    """

    sums: dict[str, Tensor]
    rows: dict[str, int]
    samples: int

    def __add__(self, other: Activity) -> Activity:
        sums = {name: value + other.sums[name] for name, value in self.sums.items()}
        return Activity(sums, {n: r + other.rows[n] for n, r in self.rows.items()}, self.samples + other.samples)


def squared_shares(hidden: Tensor) -> Tensor:
    """Return ``(h_j / ||h||)^2`` of rows of hidden values, float64; 0 in rows of zeros."""
    squares = hidden.double().square()
    total = squares.sum(dim=-1, keepdim=True)
    return torch.where(total > 0, squares / total.where(total > 0, 1.0), 0.0)


def record(
    subject: Subject, conditions: str, calls: int, halves: Halves, reading: Callable[[Tensor], Tensor] = squared_shares
) -> Activity:
    """Return the summed readings of the first ``calls`` calls of each sampler run.

    Parameters
    ----------
    subject : Subject
    conditions : str
        Set of conditions to sample.
    calls : int
        Number of UNet calls to record; the runs end after them.
    halves : {"cond", "both"}
        Whether the unconditional half of a guided call counts too.
    reading : callable
        Maps rows of hidden values ``(rows, n)`` to the values that are summed, same shape.

    Raises
    ------
    UnlearningError
        If the model has no feed-forward layer, or the sampler makes fewer calls.
    """
    layers = feed_forward_layers(subject.module)
    if not layers:
        raise UnlearningError("the model has no feed-forward layer named '*.ff.net.2': concepts cannot be pruned from it")
    listener = _Listener(layers, calls, subject.guided and halves == "cond", reading)
    handles = [subject.module.register_forward_pre_hook(listener.count, with_kwargs=True)]
    handles += [layer.register_forward_pre_hook(listener.hear(name)) for name, layer in layers.items()]
    try:
        for run in subject.runs(conditions):
            listener.call = -1
            try:
                run()
            except _EnoughError:
                continue
            if listener.call + 1 < calls:
                raise UnlearningError(f"tau {calls}: the sampler calls the model only {listener.call + 1} times; use that many or fewer")
    finally:
        for handle in handles:
            handle.remove()
    return Activity(listener.sums, listener.rows, subject.samples(conditions))


class _Listener:
    """Sums the hooks' readings by layer name and call."""

    def __init__(self, layers: dict[str, nn.Linear], calls: int, second_half: bool, reading: Callable[[Tensor], Tensor]) -> None:
        self.sums = {name: torch.zeros(calls, layer.in_features, dtype=torch.float64) for name, layer in layers.items()}
        self.rows = dict.fromkeys(layers, 0)
        self.call = -1
        self._calls, self._second_half, self._reading = calls, second_half, reading

    def count(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Count a call of the UNet, and end the run after the last one needed."""
        if self.call + 1 == self._calls:
            raise _EnoughError
        self.call += 1

    def hear(self, name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        """Return the forward pre-hook of one layer."""

        def hook(module: nn.Module, args: tuple[Any, ...]) -> None:
            hidden: Tensor = args[0].detach()
            if self._second_half:
                hidden = hidden[len(hidden) // 2 :]
            rows = hidden.reshape(-1, hidden.shape[-1])
            self.sums[name][self.call] += self._reading(rows).sum(dim=0, dtype=torch.float64).cpu()
            if self.call == 0:
                self.rows[name] += len(rows)

        return hook
