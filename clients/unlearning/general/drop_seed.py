"""Forgetting a peer whose data never entered other peers' weights."""

from __future__ import annotations

from typing import ClassVar, Literal

from clients.unlearning.contract import Guarantee
from clients.unlearning.general.contract import MethodSpec


class DropSeed(MethodSpec):
    """Neighbours drop the seed of a leaving peer and return receipts; no model is retrained. For federations that exchange seeds."""

    guarantee: ClassVar[Guarantee] = "exact"
    summary: ClassVar[str] = "neighbours drop a leaver's seed; nobody retrains"
    source: ClassVar[str] = "HDUS, Ye et al. 2023"

    kind: Literal["drop_seed"] = "drop_seed"
