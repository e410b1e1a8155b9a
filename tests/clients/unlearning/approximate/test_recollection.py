"""Recollection follows what leaving a row out of the same batches would have done."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from clients.models.linear import Linear
from clients.models.mlp import Mlp
from clients.training import Training
from clients.unlearning.approximate.recollecting import Recollecting, RowLoss, follow
from clients.unlearning.approximate.recollection import Recollection
from clients.unlearning.contract import Problem
from tests.clients.unlearning.approximate.test_certified_removal import rows

LR = 0.3


def squared(w: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return (x @ w - y) ** 2 / 2


def logistic(w: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return torch.nn.functional.softplus(-y * (x @ w)) + 0.005 * (w @ w)


def drawn(n: int = 12, d: int = 3) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Return rows, targets, and the batches of five epochs, in which the last two rows are never drawn."""
    chance = np.random.default_rng(0)
    x = torch.tensor(chance.normal(size=(n, d)))
    y = torch.tensor(np.sign(chance.normal(size=n)))
    orders = [torch.tensor(chance.permutation(n - 2)) for _ in range(5)]
    return x, y, [batch for order in orders for batch in torch.split(order, 4)]


def followed(loss: RowLoss) -> tuple[Tensor, Tensor]:
    x, y, batches = drawn()
    return follow(loss, torch.zeros(3).double(), torch.zeros(12, 3).double(), x, y, batches, LR)


def without(loss: RowLoss, gone: list[int]) -> Tensor:
    """Return the weights of the same batches, the places of some rows empty and the divisor what it was."""
    x, y, batches = drawn()
    w = torch.zeros(3).double()
    for batch in batches:
        total = torch.zeros(3).double()
        for i in batch.tolist():
            if i not in gone:
                at = w.clone().requires_grad_()
                total += torch.autograd.grad(loss(at, x[i], y[i]), at)[0]
        w = w - LR / len(batch) * total
    return w


def planted(loss: RowLoss) -> tuple[Tensor, Tensor]:
    """Follow with the gradient added before the contraction."""
    x, y, batches = drawn()
    w, a = torch.zeros(3).double(), torch.zeros(12, 3).double()
    for batch in batches:
        for i in batch.tolist():
            at = w.clone().requires_grad_()
            a[i] += LR / len(batch) * torch.autograd.grad(loss(at, x[i], y[i]), at)[0]
        w, a = follow(loss, w, a, x, y, [batch], LR)[0], a - LR * a @ (x[batch].T @ x[batch]) / len(batch)
    return w, a


def test_of_least_squares_one_row_is_taken_out_to_rounding() -> None:
    weights, vectors = followed(squared)
    torch.testing.assert_close(weights, without(squared, []))
    for row in range(10):
        torch.testing.assert_close(weights + vectors[row], without(squared, [row]), rtol=1e-12, atol=1e-14)
    assert not vectors[10:].any(), "never drawn"
    early, moved = planted(squared)
    assert max(float((early + moved[row] - without(squared, [row])).norm()) for row in range(10)) > 1e-2


def test_of_a_logistic_model_little_is_left_and_vectors_add_up() -> None:
    weights, vectors = followed(logistic)
    left = []
    for gone in ([0], [1], [2], [0, 1], [3, 4, 5]):
        never = without(logistic, gone)
        left.append(float((weights + vectors[gone].sum(0) - never).norm() / (weights - never).norm()))
    assert max(left[:3]) < 0.05
    assert max(left) < 0.5, "even of three rows of ten"


def network(base: Any, **settings: Any) -> Recollecting:
    model = Recollecting(Recollection(base=base, **settings), Problem((3,), 2, 2, training=Training(epochs=2, batch_size=8)), ("test",))
    model.fit(rows(24))
    return model


@pytest.mark.parametrize(("base", "most"), [(Linear(), 0.02), (Mlp(hidden=(4,)), 0.5)], ids=["linear", "mlp"])
def test_networks_are_closer_to_the_same_batches_without_the_row_than_before(
    base: Any, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, gone = rows(24), 5
    model, again = (network(base, lr=0.5, penalty=0.01) for _ in range(2))
    before = _flat(model)
    outcome = model.forget(data.ids[[gone]])
    assert outcome.guarantee == "approximate"
    assert outcome.cost.gradient_steps == 0
    never = _flat(_skipping(base, gone, monkeypatch))
    assert np.linalg.norm(_flat(model) - never) < most * np.linalg.norm(before - never)
    assert model.vectors.shape == (23, before.size)
    np.testing.assert_array_equal(model.vectors, np.delete(again.vectors, gone, axis=0))


def _flat(model: Recollecting) -> Any:
    return np.concatenate([array.ravel() for array in model.weights.values()])


def _skipping(base: Any, gone: int, monkeypatch: pytest.MonkeyPatch) -> Recollecting:
    """Return a network trained on the same batches, in which one row's loss counts nothing."""

    def followed(loss: RowLoss, w: Tensor, vectors: Tensor, x: Tensor, y: Tensor, batches: list[Tensor], lr: float) -> Any:
        for batch in batches:
            at = w.detach().clone().requires_grad_()
            total = sum((loss(at, x[i], y[i]) for i in batch.tolist() if i != gone), 0 * at.sum())
            w = w - lr / len(batch) * torch.autograd.grad(total, at)[0]
        return w, vectors

    with monkeypatch.context() as patch:
        patch.setattr("clients.unlearning.approximate.recollecting.follow", followed)
        return network(base, lr=0.5, penalty=0.01)


def test_all_rows_leave_the_weights_before_training_and_no_vector() -> None:
    model = network(Linear())
    first = model._initial()
    assert model.forget(model.rows.ids).guarantee == "exact"
    assert all(np.array_equal(model.weights[name], first[name]) for name in first)
    assert not model.vectors.size
    assert not len(model.stored()[0].ids)


def test_vectors_beyond_memory_are_refused() -> None:
    said = Recollection(base=Mlp(hidden=(10_000,))).check(Problem((3000,), 2), rows(40))
    assert said is not None
    assert said.startswith("recollection takes 8.9 GiB for 40 rows")
