"""Many networks of one architecture, trained as one: their weights have a leading axis, their layers are batched products.

Network k of a stack is the network that `clients.models.network.Network` trains alone from the same key on the same rows, to rounding: good
enough for audits and estimates over many models, and never for a claim of exactness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clients import streams
from clients.data.rows import Rows
from clients.models.network import Network
from clients.models.stacked_optimizers import optimizer
from clients.streams import Field
from clients.training import Arrays, Steps

if TYPE_CHECKING:
    import torch

Members = npt.NDArray[np.bool_]

_AT_ONCE = 512
"""Rows per forward pass of ``logits``, which bounds its memory."""


class StackError(ValueError):
    """Networks of this architecture cannot be stacked; the message is the reason."""


class Stack:
    """Networks of one architecture, without weights.

    Parameters
    ----------
    network : Network

    Raises
    ------
    StackError
        If a module of the network has buffers or frozen parameters, draws random numbers while it trains, or has a layer for which torch
        has no batched form.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._module = network.build(("shell",)).train()
        self._shapes = {name: tuple(parameter.shape) for name, parameter in self._module.named_parameters()}
        self._refuse()

    def initial(self, keys: Sequence[tuple[Field, ...]]) -> Arrays:
        """Return weights before any training, network k's drawn from ``keys[k]``, with the networks on the first axis."""
        alone = [self.network.initial(key) for key in keys]
        return {name: np.stack([arrays[name] for arrays in alone]) for name in self._shapes}

    def train(
        self,
        arrays: Mapping[str, npt.NDArray[Any]],
        x: npt.NDArray[np.float32],
        classes: npt.NDArray[np.int64],
        *,
        members: Members,
        epochs: range,
        ids: npt.NDArray[np.int64],
        keys: Sequence[tuple[Field, ...]],
        settings: Steps,
    ) -> Arrays:
        """Return the weights after training every network with cross-entropy on its own rows, in its own order.

        Parameters
        ----------
        arrays : mapping
            Weights, shape (networks, ...).
        x, classes : arrays, shape (n, ...) and (n,)
            All rows.
        members : bool array, shape (networks, n)
            Which rows each network trains on; a network without any stays as it is.
        epochs : range
            As in `clients.training.train`.
        ids : int64 array, shape (n,)
            Permanent ids of the rows.
        keys : sequence of tuple
            Key of the order of each network's rows.
        settings : Training or Distillation
            Batch size and optimiser; every call starts with a fresh one.
        """
        import torch

        by_size = np.argsort(-members.sum(axis=1), kind="stable")  # networks that still have a batch in an epoch are then a prefix
        weights = self._flat(arrays)[torch.from_numpy(by_size)]
        step = optimizer(settings.optimizer, weights)
        inputs, targets = self.network.inputs(x), self.network.targets(classes)
        rows = [np.flatnonzero(members[k]) for k in by_size]
        for epoch in epochs:
            orders = [own[streams.order(ids[own], *keys[k], "order", epoch)] for k, own in zip(by_size, rows, strict=True)]
            for places, real in _batches(orders, settings.batch_size):
                at = torch.from_numpy(places).to(inputs.device)
                share = torch.from_numpy(real / real.sum(axis=1, keepdims=True)).to(inputs.device, torch.float32)
                step(self._gradient(weights[: len(at)], inputs[at], targets[at], share))
        trained = torch.empty_like(weights)
        trained[torch.from_numpy(by_size)] = weights
        return {name: tensor.cpu().numpy().copy() for name, tensor in self._layers(trained).items()}

    def logits(self, arrays: Mapping[str, npt.NDArray[Any]], x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return every network's logits for the same rows, float32 (networks, len(x), classes)."""
        import torch

        layers = self._layers(self._flat(arrays))
        with torch.no_grad():
            found = [self._forward(layers, part, same_rows=True).cpu() for part in torch.split(self.network.inputs(x), _AT_ONCE)]
        answers: npt.NDArray[np.float32] = torch.cat(found, dim=1).numpy()
        return answers

    def relearned(
        self, arrays: Mapping[str, npt.NDArray[Any]], rows: Rows, *, key: tuple[Field, ...], settings: Steps
    ) -> Iterator[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
        """Train every network on the same rows in the same order, and yield before each step, without end, what they know of them.

        Parameters
        ----------
        arrays : mapping
            Weights, shape (networks, ...); they are not changed.
        rows : Rows
            Not empty.
        key : tuple
            Key of the order of the rows.
        settings : Training or Distillation
            Batch size and optimiser.

        Yields
        ------
        losses, accuracies : float64 arrays, shape (networks,)
            Mean cross-entropy on all rows, in nats, and share of right answers.
        """
        import torch

        weights = self._flat(arrays)
        step = optimizer(settings.optimizer, weights)
        inputs, targets = self.network.inputs(rows.x), self.network.targets(rows.y)
        for epoch in count():
            order = streams.order(rows.ids, *key, "relearn", epoch)
            for start in range(0, len(order), settings.batch_size):
                yield self._known(weights, inputs, targets)
                at = torch.from_numpy(order[start : start + settings.batch_size]).expand(len(weights), -1)
                share = torch.full(at.shape, 1 / at.shape[1], device=weights.device)
                step(self._gradient(weights, inputs[at], targets[at], share))

    def _known(self, weights: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return every network's mean cross-entropy and accuracy on the same rows."""
        import torch
        from torch.nn.functional import cross_entropy

        with torch.no_grad():
            logits = self._forward(self._layers(weights), x, same_rows=True)
            losses = cross_entropy(logits.flatten(0, 1), y.repeat(len(weights)), reduction="none").reshape(len(weights), -1)
            right = (logits.argmax(-1) == y).double()
        return losses.double().mean(1).cpu().numpy(), right.mean(1).cpu().numpy()

    def _gradient(self, weights: torch.Tensor, x: torch.Tensor, y: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        """Return the gradient of each network's mean loss over its own rows, shape of ``weights``; rows of share 0 have no part."""
        import torch
        from torch.nn.functional import cross_entropy

        free = weights.detach().requires_grad_()
        logits = self._forward(self._layers(free), x)
        losses = cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none")
        return torch.autograd.grad((losses * share.flatten()).sum(), free)[0]

    def _forward(self, layers: Mapping[str, torch.Tensor], x: torch.Tensor, *, same_rows: bool = False) -> torch.Tensor:
        """Return logits (networks, rows, classes) of rows (networks, rows, ...), or of the same rows for all networks."""
        from torch.func import functional_call, vmap

        def one(own: Mapping[str, torch.Tensor], rows: torch.Tensor) -> torch.Tensor:
            answers: torch.Tensor = functional_call(self._module, dict(own), (rows,))
            return answers

        every: Callable[..., torch.Tensor] = vmap(one, in_dims=(0, None if same_rows else 0))
        return every(dict(layers), x)

    def _flat(self, arrays: Mapping[str, npt.NDArray[Any]]) -> torch.Tensor:
        """Return all weights as one matrix, a row for each network: the optimiser then works on one tensor."""
        import torch

        rows = [torch.tensor(arrays[name]).flatten(1) for name in self._shapes]
        return torch.cat(rows, dim=1).to(self.network.place)

    def _layers(self, flat: torch.Tensor) -> dict[str, torch.Tensor]:
        import torch

        parts = torch.split(flat, [prod(shape) for shape in self._shapes.values()], dim=1)
        return {name: part.reshape(len(flat), *shape) for (name, shape), part in zip(self._shapes.items(), parts, strict=True)}

    def _refuse(self) -> None:
        import torch

        kind = self.network.spec.tag
        if next(iter(self._module.buffers()), None) is not None:
            raise StackError(f"a network of kind {kind!r} keeps buffers, which every network changes for itself while it trains")
        if not all(parameter.requires_grad for parameter in self._module.parameters()):
            raise StackError(f"a network of kind {kind!r} has frozen parameters")
        two = np.zeros((2, *self.network.shape), np.float32)
        layers = {name: torch.zeros(2, *shape, device=self.network.place) for name, shape in self._shapes.items()}
        try:
            self._forward(layers, self.network.inputs(two), same_rows=True)
        except RuntimeError as error:
            raise StackError(f"torch cannot batch a network of kind {kind!r}: {str(error).splitlines()[0]}") from None


def _batches(orders: Sequence[npt.NDArray[np.intp]], size: int) -> list[tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]]:
    """Return an epoch's batches: places of rows (networks, <= size), and 1.0 where a place is real, 0.0 where it only fills up.

    ``orders`` are sorted by length, longest first; a batch has only the networks that still have rows.
    """
    found = []
    for start in range(0, len(orders[0]) if orders else 0, size):
        parts = [order[start : start + size] for order in orders if len(order) > start]
        width = max(map(len, parts))
        places, real = np.zeros((len(parts), width), np.intp), np.zeros((len(parts), width))
        for k, part in enumerate(parts):
            places[k, : len(part)], real[k, : len(part)] = part, 1.0
        found.append((places, real))
    return found
