"""Doing nothing: the rows are dropped, and the weights stay."""

from __future__ import annotations

from typing import ClassVar, Literal

from clients.data.rows import Rows
from clients.streams import Field
from clients.training import Arrays
from clients.unlearning.contract import Cost, Guarantee, Outcome
from clients.unlearning.general.contract import Learning, MethodSpec


class Nothing(MethodSpec):
    """Leaves the weights as they are. A control, and what RUM may do for rows that are hardly memorised; it forgets nothing."""

    guarantee: ClassVar[Guarantee] = "approximate"
    summary: ClassVar[str] = "control: drops the rows and leaves the weights, with all that they learned"
    source: ClassVar[str] = "none"

    kind: Literal["nothing"] = "nothing"

    def apply(self, weights: Arrays, learning: Learning, forget: Rows, retain: Rows, key: tuple[Field, ...]) -> tuple[Arrays, Outcome]:
        """Return copies of the weights."""
        note = "the weights are as they were: the influence of these rows stays"
        return {name: array.copy() for name, array in weights.items()}, Outcome(Cost(), self.guarantee, notes=(note,))
