"""Forgetting by retraining."""

from __future__ import annotations

from typing import ClassVar, Literal

from clients.unlearning.contract import ExactSpec
from clients.unlearning.one_network import OneNetwork


class Retrain(OneNetwork, ExactSpec):
    """One network; to forget, it is retrained from scratch without the rows for as many rounds as before."""

    implementation: ClassVar[str] = "clients.unlearning.exact.retraining:Retrained"
    summary: ClassVar[str] = "one network, trained again from the beginning on what is kept"
    source: ClassVar[str] = "the definition of forgetting; no paper"

    kind: Literal["retrain"] = "retrain"
