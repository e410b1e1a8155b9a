"""Forgetting by retraining."""

from __future__ import annotations

from typing import ClassVar, Literal

from clients.data.rows import Rows
from clients.streams import Field
from clients.training import Arrays
from clients.unlearning.contract import Cost, Guarantee, Outcome
from clients.unlearning.general.contract import Learning, MethodSpec


class Retrain(MethodSpec):
    """Retrains from scratch without the data to forget, for as long as before; exact because initial weights and row orders are keyed."""

    guarantee: ClassVar[Guarantee] = "exact"
    summary: ClassVar[str] = "begins again from the first weights, without what must go"
    source: ClassVar[str] = "the definition of forgetting; no paper"

    kind: Literal["retrain"] = "retrain"

    def apply(self, weights: Arrays, learning: Learning, forget: Rows, retain: Rows, key: tuple[Field, ...]) -> tuple[Arrays, Outcome]:
        """Return weights trained on the retained rows only."""
        weights, steps = learning.initial(), 0
        for number in range(learning.progress):  # round by round like the first time, because each round starts a new optimiser
            weights, taken = learning.train(weights, retain, range(number, number + 1))
            steps += taken
        return weights, Outcome(Cost(gradient_steps=steps, parts=1), self.guarantee)
