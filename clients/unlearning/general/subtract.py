"""Forgetting by subtraction from sums."""

from __future__ import annotations

from typing import ClassVar, Literal

from clients.unlearning.contract import Guarantee
from clients.unlearning.general.contract import MethodSpec


class Subtract(MethodSpec):
    """A server subtracts the data to forget from the sums that define its model. For federations of sums."""

    guarantee: ClassVar[Guarantee] = "exact"
    summary: ClassVar[str] = "a server takes a peer's sums out of the total"
    source: ClassVar[str] = "Cao and Yang 2015"

    kind: Literal["subtract"] = "subtract"
