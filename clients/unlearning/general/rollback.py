"""Forgetting by going back."""

from __future__ import annotations

from typing import ClassVar, Literal

from clients.unlearning.contract import Guarantee
from clients.unlearning.general.contract import MethodSpec


class Rollback(MethodSpec):
    """Goes back to the global model before the data first had a part in it, and plays the rounds since then again without the data.

    Carried out by averaging servers. Exact, because cohorts, row orders and noise are keyed: the rounds before would have been the same.
    """

    guarantee: ClassVar[Guarantee] = "exact"
    summary: ClassVar[str] = "begins again from the last global model that the data had no part in"
    source: ClassVar[str] = "rollback-retrain, a baseline of TL-System/plato; FATS, Tao et al., PVLDB 2024, with keyed cohorts"

    kind: Literal["rollback"] = "rollback"
