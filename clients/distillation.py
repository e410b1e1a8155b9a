"""Distilling a seed model from a main model on the public reference set."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveFloat, PositiveInt

from clients.spec import Spec
from clients.training import Adam, Optimizer


class Distillation(Spec):
    """How a seed model is made from a main model on the reference set (``hard`` = labels only)."""

    epochs: PositiveInt = 20
    temperature: PositiveFloat = 2.0
    batch_size: PositiveInt = 32
    optimizer: Optimizer = Adam()
    targets: Literal["soft", "hard"] = "soft"
