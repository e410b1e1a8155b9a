"""Further training without the rows, as a negative control."""

from __future__ import annotations

from typing import ClassVar, Literal

from clients.data.rows import Rows
from clients.iterations import Iterations
from clients.streams import Field
from clients.training import Arrays
from clients.unlearning.contract import Cost, Guarantee, Outcome
from clients.unlearning.general.contract import Learning, MethodSpec


class Finetune(MethodSpec):
    """Trains further rounds without the rows to forget. A negative control, as the influence of these rows remains.

    Parameters
    ----------
    rounds : int
        Rounds of training without the rows to forget.
    """

    guarantee: ClassVar[Guarantee] = "approximate"
    summary: ClassVar[str] = "negative control: trains on with what is kept; the weights keep the trace"
    source: ClassVar[str] = "common baseline; no paper"

    kind: Literal["finetune"] = "finetune"
    rounds: Iterations = 1

    def apply(self, weights: Arrays, learning: Learning, forget: Rows, retain: Rows, key: tuple[Field, ...]) -> tuple[Arrays, Outcome]:
        """Return the weights after further rounds on the retained rows."""
        rounds = range(learning.progress, learning.progress + self.rounds)
        weights, steps = learning.train(weights, retain, rounds, key)
        return weights, Outcome(Cost(gradient_steps=steps, parts=1), self.guarantee)
