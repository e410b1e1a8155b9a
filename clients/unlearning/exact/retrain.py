"""Forgetting by training again."""

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


class Retrain(UnlearnerSpec):
    """One network; to forget, it begins again without the rows and trains as many rounds as before.

    Parameters
    ----------
    base : table
        The network.
    """

    guarantee: ClassVar[Guarantee] = "exact"
    summary: ClassVar[str] = "one network, trained again from the beginning on what is kept"
    source: ClassVar[str] = "the definition of forgetting; no paper"

    kind: Literal["retrain"] = "retrain"
    base: AnyModel

    def check(self, problem: Problem, rows: Rows) -> str | None:
        """Return that weights or steps are too much, or None."""
        steps = problem.rounds * self.steps(problem.training, len(rows), 0)
        return beyond("retrain", len(rows), 4 * weights(self.base, problem), steps, "ask for a smaller base or fewer epochs")

    def steps(self, training: Training, rows: int, progress: int) -> int:
        """Return those of one network."""
        return training.steps(rows)

    def build(self, problem: Problem, key: tuple[Field, ...]) -> Unlearner[Any, Any]:
        """Return the untrained unlearner; ``ValueError`` if the base cannot take the problem's inputs."""
        from clients.unlearning.exact.retraining import Retrained

        return Retrained(self.base, problem, key)
