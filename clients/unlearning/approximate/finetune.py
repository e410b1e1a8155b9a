"""Pretending to forget: training on without the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from clients.data.rows import Rows
from clients.models import MODELS, ModelSpec
from clients.streams import Field
from clients.training import Training
from clients.unlearning.contract import Guarantee, Problem, Unlearner, UnlearnerSpec
from clients.unlearning.limits import beyond, weights

if TYPE_CHECKING:
    AnyModel = ModelSpec
else:  # the registry knows its members only at run time
    AnyModel = MODELS.union()


class Finetune(UnlearnerSpec):
    """One network; asked to forget, it trains one more round without the rows. The negative control: the trace stays.

    Parameters
    ----------
    base : table
        The network.
    """

    guarantee: ClassVar[Guarantee] = "approximate"
    summary: ClassVar[str] = "negative control: one more round on what is kept; the weights keep the trace"
    source: ClassVar[str] = "common baseline; no paper"

    kind: Literal["finetune"] = "finetune"
    base: AnyModel

    def check(self, problem: Problem, rows: Rows) -> str | None:
        """Return that weights or steps are too much, or None."""
        steps = problem.rounds * self.steps(problem.training, len(rows), 0)
        return beyond("finetune", len(rows), 4 * weights(self.base, problem), steps, "ask for a smaller base or fewer epochs")

    def steps(self, training: Training, rows: int, progress: int) -> int:
        """Return those of one network."""
        return training.steps(rows)

    def build(self, problem: Problem, key: tuple[Field, ...]) -> Unlearner[Any, Any]:
        """Return the untrained unlearner; ``ValueError`` if the base cannot take the problem's inputs."""
        from clients.unlearning.approximate.finetuning import Finetuned

        return Finetuned(self.base, problem, key)
