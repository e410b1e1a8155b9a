"""The network that a method changes, with its batches, its losses by epoch, and its cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from clients.data.rows import Ids, Rows
from clients.passes import taken
from clients.streams import Field, order
from clients.training import Arrays, Descent, Steps, from_arrays, to_arrays
from clients.unlearning.contract import COST_NOTE, Cost, Guarantee, Outcome
from clients.unlearning.general.contract import Learning

if TYPE_CHECKING:
    from torch import nn

_CHUNK = 1024
"""Rows that are passed through the network at once where nothing is learned from them."""


class Examples(NamedTuple):
    """Rows as tensors on the network's device: a name for the report, ids, inputs, and classes or other targets."""

    name: str
    ids: Ids
    x: Tensor
    y: Tensor


class Student:
    """A network that is being changed.

    Parameters
    ----------
    weights : mapping of str to array
    learning : Learning
    key : tuple
        Key of the request.

    Attributes
    ----------
    module : nn.Module
        In evaluation mode outside of `descent`.
    first : int
        Index of the first epoch; training would go on with this one.
    steps : int
        Gradient steps taken, over all descents.
    stopped : str
        Why the method ended before its last epoch; empty if it did not.
    """

    def __init__(self, weights: Arrays, learning: Learning, key: tuple[Field, ...]) -> None:
        self.network, self.learning, self.key = learning.network, learning, key
        self.module: nn.Module = learning.network.build(("unlearning",)).eval()
        from_arrays(self.module, weights)
        self.first = learning.progress * learning.training.epochs
        self.stopped = ""
        self.notes: list[str] = []
        self.steps = 0
        self._curves: dict[str, list[float]] = {}
        self._passes: dict[str, float] = {}

    def load(self, name: str, rows: Rows) -> Examples:
        """Return rows as tensors, under a name for the report."""
        return Examples(name, rows.ids, self.network.inputs(rows.x), self.network.targets(rows.y))

    def drawn(self, rows: Rows, share: float) -> Rows:
        """Return a share of the rows, rounded up, drawn by key."""
        chosen = order(rows.ids, *self.key, "part")[: ceil(round(share * len(rows), 9))]
        return rows.only(rows.ids[chosen])

    def joined(self, first: Examples, second: Examples, name: str = "all") -> Examples:
        """Return examples one after the other, under a name for the report."""
        ids = np.concatenate([first.ids, second.ids])
        return Examples(name, ids, torch.cat([first.x, second.x]), torch.cat([first.y, second.y]))

    def untrained(self, examples: Examples) -> Tensor:
        """Return the logits, (n, classes), of an untrained network, drawn by key."""
        module = self.network.build((*self.key, "untrained")).eval()
        with torch.no_grad():
            found: Tensor = module(examples.x)
        return found

    def cross_entropy(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the mean cross-entropy of a batch, in nats."""
        found: Tensor = cross_entropy(self.module(x), y)
        return found

    def flat(self) -> Tensor:
        """Return the parameters that learn, flat, float64 (k,), in main memory."""
        return torch.cat([parameter.detach().double().flatten().cpu() for parameter in self._learning()])

    def move(self, step: Tensor) -> None:
        """Add a flat step, float64 (k,), to the parameters that learn."""
        parameters = self._learning()
        parts = torch.split(step, [parameter.numel() for parameter in parameters])
        with torch.no_grad():
            for parameter, part in zip(parameters, parts, strict=True):
                parameter.copy_((parameter.double().cpu() + part.reshape(parameter.shape)).to(parameter.dtype))

    def _learning(self) -> list[nn.Parameter]:
        return [parameter for parameter in self.module.parameters() if parameter.requires_grad]

    def logits(self, examples: Examples) -> Tensor:
        """Return the present network's logits, (n, classes), of no graph: of a frozen copy of it, no more is ever needed.

        It answers as it does in evaluation, in the middle of a descent too: nothing is dropped out, and no running mean moves.
        """
        training = self.module.training
        self.module.eval()
        with torch.no_grad():
            parts = [self.module(part) for part in torch.split(examples.x, _CHUNK)]
        self.module.train(training)
        return torch.cat(parts)

    def descent(self, settings: Steps, more: Sequence[nn.Parameter] = ()) -> Descent:
        """Return the context in which gradient steps are taken; see `clients.training.Descent`."""
        return Descent(self.module, settings, self.key, self.first, more)

    def epoch(
        self,
        descent: Descent,
        number: int,
        examples: Examples,
        objective: Callable[..., Tensor],
        *more: Tensor,
        adjust: Callable[[list[Tensor]], None] | None = None,
        after: Callable[[], None] | None = None,
    ) -> None:
        """Take one gradient step per batch, and add the mean loss to the curve of the examples' name.

        Parameters
        ----------
        descent : Descent
        number : int
            Counted from 0.
        examples : Examples
        objective : callable
            Returns a batch's mean loss from its inputs, its targets, and its parts of ``more``.
        more : tensors
            With one entry a row.
        adjust : callable, optional
            Changes the gradients before each step.
        after : callable, optional
            Called after each step.
        """
        total, rows = 0.0, 0
        for batch in descent.batches(self.first + number, examples.ids, examples.x, examples.y, *more):
            loss = objective(*batch)
            gradients = descent.gradients(loss)
            if adjust is not None:
                adjust(gradients)
            descent.move(gradients)
            self.steps += 1
            if after is not None:
                after()
            total, rows = total + float(loss.detach()) * len(batch[0]), rows + len(batch[0])
        self.passed(examples.name, rows / max(len(examples.ids), 1))
        self._curves.setdefault(examples.name, []).append(total / max(rows, 1))

    def cycled(self, descent: Descent, examples: Examples) -> Iterator[tuple[Tensor, ...]]:
        """Yield batches of these examples without end, epoch after epoch; their passes are counted."""
        for number in count():
            for batch in descent.batches(self.first + number, examples.ids, examples.x, examples.y):
                self.passed(examples.name, len(batch[0]) / len(examples.ids))
                yield batch

    def passed(self, name: str, passes: float) -> None:
        """Note passes over rows that gradients were taken of, and counted where they were taken (`clients.passes`)."""
        self._passes[name] = self._passes.get(name, 0.0) + passes

    def took(self, name: str, passes: float, rows: int) -> None:
        """Note passes as `passed` does, and count the gradients of so many rows that a method takes by itself."""
        taken(rows)
        self.passed(name, passes)

    def rewind(self, saved: Sequence[Arrays], examples: Examples, error: float) -> None:
        """Go back to the saved weights whose share of wrong answers is nearest to ``error``, to the last of equals."""
        distances = []
        for weights in saved:
            from_arrays(self.module, weights)
            wrong = float((self.logits(examples).argmax(1) != examples.y).double().mean())
            distances.append(abs(wrong - error))
        best = max(range(len(saved)), key=lambda number: (-distances[number], number))
        from_arrays(self.module, saved[best])
        self.notes.append(f"went back to the weights after epoch {best + 1} of {len(saved)}")

    def weights(self) -> Arrays:
        """Return parameters and buffers by name."""
        return to_arrays(self.module)

    def outcome(self, guarantee: Guarantee) -> Outcome:
        """Return cost and guarantee, with the losses by epoch, the reason of an early end and the passes as notes."""
        notes = [*self.notes]
        if self._curves:
            curves = "; ".join(f"{name} {' '.join(f'{loss:.3g}' for loss in losses)}" for name, losses in self._curves.items())
            notes.append(f"losses by epoch: {curves}")
        if self.stopped:
            notes.append(f"stopped: {self.stopped}")
        passes = ", ".join(f"{passes:.3g} over {name}" for name, passes in self._passes.items())
        if passes:
            notes.append(f"{COST_NOTE}gradient passes: {passes}")
        return Outcome(Cost(gradient_steps=self.steps, parts=1), guarantee, notes=tuple(notes))
