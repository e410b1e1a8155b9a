"""Settings of the main models that are one network, whatever they do when asked to forget."""

from __future__ import annotations

from clients.data.rows import Rows
from clients.models import AnyModel
from clients.training import Training
from clients.unlearning.contract import Problem, UnlearnerSpec
from clients.unlearning.limits import beyond, weights


class OneNetwork(UnlearnerSpec):
    """A main model of one network, ``base``."""

    base: AnyModel

    def check(self, problem: Problem, rows: Rows) -> str | None:
        """Return that weights or steps are too much, or None."""
        steps = problem.rounds * self.steps(problem.training, len(rows), 0)
        return beyond(self.tag, len(rows), 4 * weights(self.base, problem), steps, "ask for a smaller base or fewer epochs")

    def steps(self, training: Training, rows: int, progress: int) -> int:
        """Return those of one network."""
        return training.steps(rows)
