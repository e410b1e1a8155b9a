"""A network that keeps how far each row has moved its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.func import functional_call, grad, jvp, vmap

from clients import streams
from clients.data.rows import Ids, Rows
from clients.streams import Field
from clients.unlearning.approximate.recollection import Recollection
from clients.unlearning.approximate.traced import Traced
from clients.unlearning.contract import Cost, Outcome, Problem, State, Stored
from clients.unlearning.requests import named_rows
from clients.unlearning.states import Signed, fingerprint, fits, opened

RowLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""The loss of one row: of flat weights (k,), its inputs and its target."""

VECTORS = "vectors"
"""Name of the rows' vectors, float64 (n, k), in a state."""

_CHUNK = 256
"""Vectors that are multiplied at once."""


def follow(
    loss: RowLoss, weights: Tensor, vectors: Tensor, x: Tensor, targets: Tensor, batches: Iterable[Tensor], lr: float
) -> tuple[Tensor, Tensor]:
    """Return the weights after steps of gradient descent, and how far leaving each row out would have moved them, to first order.

    ``a_j <- (I - lr H_t) a_j + [j in B_t] lr / |B_t| grad l_j(w_t)``: H_t is the Hessian of the batch's mean loss without row j's own
    term, so that for quadratic losses and one row the first order is all there is. What is left out is the row alone, its place in the
    batch stays empty and the divisor what it was. Qiao et al. 2025, equation 4, contracted before the gradient is added.

    Parameters
    ----------
    loss : callable
    weights : float64 tensor, shape (k,)
    vectors : float64 tensor, shape (n, k)
        Zeros at the start.
    x, targets : tensors of n rows
    batches : iterable of int64 tensors
        Places of the rows of each step.
    lr : float
        Step size.
    """
    slope = grad(loss)
    for batch in batches:
        inputs, wanted, at = x[batch], targets[batch], weights
        gradients = vmap(slope, (None, 0, 0))(at, inputs, wanted)

        def mean(w: Tensor, inputs: Tensor = inputs, wanted: Tensor = wanted) -> Tensor:
            found: Tensor = vmap(slope, (None, 0, 0))(w, inputs, wanted).mean(0)
            return found

        def bent(a: Tensor, at: Tensor = at, mean: Callable[[Tensor], Tensor] = mean) -> Tensor:
            found: Tensor = jvp(mean, (at,), (a,))[1]
            return found

        def own(a: Tensor, one: Tensor, target: Tensor, at: Tensor = at) -> Tensor:
            found: Tensor = jvp(lambda w: slope(w, one, target), (at,), (a,))[1]
            return found

        moved = vectors - lr * vmap(bent, chunk_size=_CHUNK)(vectors)
        moved[batch] += lr / len(batch) * (vmap(own)(vectors[batch], inputs, wanted) + gradients)
        vectors, weights = moved, at - lr * gradients.mean(0)
    return weights, vectors


class Recollecting(Traced):
    """Forgets by adding the rows' vectors to the weights, and destroys them.

    Parameters
    ----------
    spec : Recollection
    problem : Problem
    key : tuple
        Key of initial weights and row orders.

    Attributes
    ----------
    vectors : float64 array, shape (n, k)
        One for each held row, over the trained parameters one after the other.
    """

    def __init__(self, spec: Recollection, problem: Problem, key: tuple[Field, ...]) -> None:
        super().__init__(spec, problem, key)
        self.spec = spec
        self.vectors = np.empty((0, 0))

    def begin(self, data: Rows) -> None:
        """Start anew on ``data``, which may be empty."""
        super().begin(data)
        self.vectors = np.zeros((len(self.rows), self._width()))

    def _width(self) -> int:
        return sum(parameter.numel() for parameter in self._module().parameters() if parameter.requires_grad)

    def _module(self) -> torch.nn.Module:
        return self.network.build((*self.key, "init")).double().eval()

    def _train(self, key: tuple[Field, ...]) -> int:
        if not len(self.rows):
            return 0
        module = self._module()
        shapes = {name: part.shape for name, part in module.named_parameters() if part.requires_grad}
        fixed = {name: torch.tensor(array).double() for name, array in self.weights.items() if name not in shapes}
        flat = torch.cat([torch.tensor(self.weights[name]).double().reshape(-1) for name in shapes])

        def named(w: Tensor) -> dict[str, Tensor]:
            parts = torch.split(w, [shape.numel() for shape in shapes.values()])
            return {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}

        def loss(w: Tensor, x: Tensor, y: Tensor) -> Tensor:
            logits = functional_call(module, {**named(w), **fixed}, (x[None],))
            return torch.nn.functional.cross_entropy(logits, y[None]) + self.spec.penalty / 2 * (w**2).sum()

        batches = list(self._batches(key))
        x, y = self.network.inputs(self.rows.x).double(), self.network.targets(self.rows.y)
        found, vectors = follow(loss, flat, torch.tensor(self.vectors), x, y, batches, self.spec.lr)
        self._move(found, named)
        self.vectors = vectors.numpy()
        return len(batches)

    def _batches(self, key: tuple[Field, ...]) -> Iterable[Tensor]:
        """Yield the places of the rows of each step of the next round."""
        epochs = self.settings.epochs
        for epoch in range(self.progress * epochs, (self.progress + 1) * epochs):
            order = torch.from_numpy(streams.order(self.rows.ids, *key, "order", epoch))
            yield from torch.split(order, self.settings.batch_size)

    def _move(self, flat: Tensor, named: Callable[[Tensor], dict[str, Tensor]]) -> None:
        """Take over trained parameters, in the types they had."""
        found = {name: part.numpy().astype(self.weights[name].dtype) for name, part in named(flat).items()}
        self.weights = {name: found.get(name, array) for name, array in self.weights.items()}

    def forget(self, request: Ids) -> Outcome:
        """Add the rows' vectors to the weights and drop both; before the first round this is exact, as nothing has been learned.

        Where no row remains the weights are those before any training, which is exact, too.
        """
        ids = named_rows(request, self.rows.ids)
        if not len(ids):
            return Outcome(Cost(), "exact")
        gone = np.isin(self.rows.ids, ids)
        shift, self.vectors, self.rows = self.vectors[gone].sum(axis=0), self.vectors[~gone], self.rows.without(ids)
        if not self.progress:
            return Outcome(Cost(), "exact")
        if not len(self.rows):
            self.weights, self.seen = self._initial(), self.rows.ids
            return Outcome(Cost(parts=1), "exact")
        start = 0
        for name, part in self._module().named_parameters():
            if part.requires_grad:
                step = shift[start : start + part.numel()].reshape(part.shape)
                self.weights[name] = (self.weights[name] + step).astype(self.weights[name].dtype)
                start += part.numel()
        return Outcome(Cost(parts=1), "approximate")

    def state(self) -> State:
        """Return progress, weights, the ids that the weights have seen, and the rows' vectors."""
        return Signed({VECTORS: self.vectors, **super().state()}, self._origin(self.rows))

    def restore(self, state: Mapping[str, npt.NDArray[Any]], data: Rows) -> None:
        """Restore the model from its ``state`` and its retained rows ``data``, all of which it must have seen."""
        arrays, _ = opened(state, self._origin(self.table.shaped(data)))
        vectors = {name: arrays.pop(name) for name in (VECTORS,) if name in arrays}
        fits(vectors, {VECTORS: np.zeros((len(data), self._width()))})
        super().restore(arrays, data)
        self.vectors = vectors[VECTORS]

    def stored(self) -> list[Stored]:
        """List the weights under the ids of all rows they have ever seen, and the vectors under those of all rows of their steps."""
        return [*super().stored(), Stored(VECTORS, self.seen.copy())]

    def _origin(self, rows: Rows) -> str:
        return fingerprint(super()._origin(rows), self.spec.lr, self.spec.penalty)
