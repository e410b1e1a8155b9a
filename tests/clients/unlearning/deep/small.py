"""A small trained network, rows that say when they are read, and comparisons of weights."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from clients import wire
from clients.data.bundled import Digits
from clients.data.rows import Rows
from clients.models.mlp import Mlp
from clients.models.network import Network
from clients.training import Adam, Arrays, Descent, Training, from_arrays
from clients.unlearning.contract import Outcome
from clients.unlearning.general import METHODS
from clients.unlearning.general.contract import Learning, MethodSpec
from clients.unlearning.general.finetune import Finetune

TRAINING = Training(epochs=2, batch_size=16, optimizer=Adam(lr=0.01))
KEY, REQUEST = ("deep", 3), ("request", 1)
STEPS: dict[str, Any] = {"batch_size": TRAINING.batch_size, "optimizer": TRAINING.optimizer}


class Counted(Rows):
    """Rows that count how often their inputs or classes are read."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("x", "y"):
            reads = object.__getattribute__(self, "__dict__").setdefault("reads", [])
            reads.append(name)
        return object.__getattribute__(self, name)


def counted(data: Rows) -> Counted:
    return Counted(data.ids, data.x, data.y)


def reads(data: Rows) -> int:
    return len(data.__dict__.get("reads", []))


def counting(monkeypatch: pytest.MonkeyPatch) -> list[Descent]:
    """Return a list that from now on gets an entry for every gradient step that any descent takes."""
    moves: list[Descent] = []
    move = Descent.move

    def counted(descent: Descent, gradients: list[torch.Tensor]) -> None:
        moves.append(descent)
        move(descent, gradients)

    monkeypatch.setattr(Descent, "move", counted)
    return moves


@cache
def rows(n: int = 90) -> Rows:
    data = Digits().load()
    return Rows(1000 + 3 * np.arange(n), data.x[:n], data.y[:n])


@cache
def trained() -> tuple[Arrays, Learning]:
    learning = Learning(Network(Mlp(hidden=(8,)), (8, 8), 10), TRAINING, 2, KEY)
    weights = learning.initial()
    for number in range(2):
        weights, _ = learning.train(weights, rows(), range(number, number + 1))
    return weights, learning


def parts(of_class: int | None = None, forget: int = 8) -> tuple[Rows, Rows]:
    """Return rows to forget and rows to retain: the first ones, or a whole class."""
    gone = rows().ids[:forget] if of_class is None else rows().ids[rows().y == of_class]
    return rows().only(gone), rows().without(gone)


def method(kind: str, **settings: Any) -> MethodSpec:
    return METHODS.load(kind).model_validate({"kind": kind, **settings})


def changed(kind: str, *, data: tuple[Rows, Rows] | None = None, **settings: Any) -> tuple[Arrays, Outcome]:
    forget, retain = data or parts()
    weights, learning = trained()
    return method(kind, **settings).apply(weights, learning, forget, retain, REQUEST)


def finetuned(rounds: int = 2) -> Arrays:
    weights, learning = trained()
    return Finetune(rounds=rounds).apply(weights, learning, *parts(), REQUEST)[0]


def same(a: Arrays, b: Arrays) -> bool:
    return wire.to_bytes(a) == wire.to_bytes(b)


def unchanged(found: Arrays) -> bool:
    return same(found, trained()[0])


def module(weights: Arrays) -> torch.nn.Module:
    built = trained()[1].network.build(("test",)).eval()
    from_arrays(built, weights)
    return built


def tensors(data: Rows) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(data.x), torch.tensor(data.y)


def plainly(loss: Any, times: int, weights: Any = None) -> dict[str, torch.Tensor]:
    """Return parameters after steps of plain gradient descent on ``loss(module)``, one after the other."""
    network = module(weights or trained()[0])
    for number in range(times):
        for one in loss(network, number):
            network.zero_grad()
            one.backward()
            with torch.no_grad():
                for parameter in network.parameters():
                    parameter -= 0.1 * parameter.grad
    return {name: parameter.detach() for name, parameter in network.named_parameters()}


def near(found: Any, expected: dict[str, torch.Tensor]) -> None:
    for name, wanted in expected.items():
        torch.testing.assert_close(torch.tensor(found[name]), wanted, rtol=1e-4, atol=1e-6)
