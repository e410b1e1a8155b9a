"""Forgetting a peer that never put its data into anybody else's weights."""

from __future__ import annotations

from typing import ClassVar, Literal

from clients.unlearning.contract import Guarantee
from clients.unlearning.general.contract import MethodSpec


class DropSeed(MethodSpec):
    """Neighbours drop the seed of a peer that leaves, and give receipts; nobody retrains. Carried out by federations of neighbours."""

    guarantee: ClassVar[Guarantee] = "exact"
    summary: ClassVar[str] = "neighbours drop a leaver's seed; nobody retrains"
    source: ClassVar[str] = "HDUS, Ye et al. 2023"

    kind: Literal["drop_seed"] = "drop_seed"
