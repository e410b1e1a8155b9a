"""Scenario tables of learners from adaptive statistical queries."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field as Setting
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from clients.iterations import Iterations
from clients.training import Training
from clients.unlearning.contract import Guarantee, Problem
from clients.unlearning.exact.statistical.fixed import CHUNK
from clients.unlearning.exact.statistical.specs import Summed, width
from clients.unlearning.limits import ID_BYTES, untrained


class AdaptiveQueries(Summed):
    """A model trained by gradient descent, with gradients obtained as statistical queries.

    Each query depends on the model and therefore on earlier answers. After a deletion the model continues from its current parameters, with
    answers that no longer count the rows. The result is close to the model without the rows but not equal, so the guarantee is
    ``approximate``.

    Parameters
    ----------
    model : {"logistic", "svm", "network"}
        Softmax regression, linear support vector machine (one against the rest), or a network with one hidden layer.
    tolerance : float
        Largest distance of an answer from the mean, in [2**-20, 1].
    iterations, refine : int
        Gradient steps per round, and after a deletion.
    lr, penalty : float
        Step size and weight of the squared parameters.
    hidden : int
        Width of the network's layer; the others have none.
    """

    implementation: ClassVar[str] = "clients.unlearning.approximate.querying:Querying"
    guarantee: ClassVar[Guarantee] = "approximate"
    summary: ClassVar[str] = "learns from statistical queries alone; asks again after a deletion, from where it is"

    kind: Literal["adaptive_queries"] = "adaptive_queries"
    model: Literal["logistic", "svm", "network"] = "logistic"
    tolerance: Annotated[float, Setting(ge=2.0**-20, le=1)] = 1e-4
    iterations: Iterations = 100
    refine: Iterations = 20
    lr: PositiveFloat = 1.0
    penalty: NonNegativeFloat = 1e-4
    hidden: PositiveInt = 16

    def _takes(self, problem: Problem, rows: int) -> tuple[int, int]:
        """Return the bytes of the rows and of one query's answers for a chunk, and the row-parameter visits in thousands."""
        wide = width(problem) + 1
        parameters = wide * problem.classes if self.model != "network" else wide * self.hidden + (self.hidden + 1) * problem.classes
        chunk = min(rows, CHUNK)
        return 8 * (rows * wide + 4 * chunk * parameters), problem.rounds * self.iterations * rows * parameters // 1000

    def steps(self, training: Training, rows: int, progress: int) -> int:
        """Return the iterations of a round."""
        return self.iterations

    def state_bytes(self, problem: Problem, rows: int) -> int | None:
        """Return the bytes of the parameters, and of the ids of all rows that entered an answer."""
        return untrained(self, problem) + ID_BYTES * rows
