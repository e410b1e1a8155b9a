"""Every model keeps its contract, and the suite names what is wrong with faulty ones."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from clients.checks import Check, ContractError, check_model, model_checks
from clients.models import MODELS
from clients.models.mlp import Mlp


@pytest.mark.parametrize("check", [check for spec in MODELS.specs() for check in model_checks(spec())], ids=lambda check: check.name)
def test_every_model_keeps_its_contract(check: Check) -> None:
    check.run()


class Global(Mlp):
    def build(self, shape: tuple[int, ...], classes: int, key: Any) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))


class Deaf(Mlp):
    def build(self, shape: tuple[int, ...], classes: int, key: Any) -> nn.Module:
        return super().build(shape, classes, ("always",))


class Narrow(Mlp):
    def build(self, shape: tuple[int, ...], classes: int, key: Any) -> nn.Module:
        return super().build(shape, classes - 1, key)


class Boastful(Mlp):
    def parameters(self, shape: tuple[int, ...], classes: int) -> int:
        return 2 * super().parameters(shape, classes)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Global, "building draws from torch's global generator"),
        (Deaf, "the key changes nothing"),
        (Narrow, "1 inputs give the shape"),
        (Boastful, "parameters and has"),
    ],
)
def test_what_is_wrong_is_named(fault: type[Mlp], words: str) -> None:
    with pytest.raises(ContractError, match=words):
        check_model(fault())
