"""Forgetting by rollback."""

from __future__ import annotations

from typing import ClassVar, Literal

from clients.unlearning.contract import Guarantee
from clients.unlearning.general.contract import MethodSpec


class Rollback(MethodSpec):
    """Restores the global model from before the data's first contribution, and replays the later rounds without the data.

    Carried out by averaging servers. It is exact because cohorts, row orders and noise are keyed, so the earlier rounds would have been
    the same.
    """

    guarantee: ClassVar[Guarantee] = "exact"
    summary: ClassVar[str] = "begins again from the last global model that the data had no part in"
    source: ClassVar[str] = "rollback-retrain, a baseline of TL-System/plato; FATS, Tao et al., PVLDB 2024, with keyed cohorts"

    kind: Literal["rollback"] = "rollback"
