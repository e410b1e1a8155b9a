"""Settings of main models that consist of one network, independent of how they forget."""

from __future__ import annotations

from clients.data.rows import Rows
from clients.models import AnyModel
from clients.training import Training
from clients.unlearning.contract import Problem, UnlearnerSpec
from clients.unlearning.limits import ID_BYTES, beyond, networks, weights


class OneNetwork(UnlearnerSpec):
    """A main model of one network.

    Parameters
    ----------
    base : table
        The network.
    """

    base: AnyModel

    def check(self, problem: Problem, rows: Rows) -> str | None:
        """Return an error line if weights or steps exceed a limit, else None."""
        steps = problem.rounds * self.steps(problem.training, len(rows), 0)
        return beyond(self.tag, len(rows), 4 * weights(self.base, problem), steps, "ask for a smaller base or fewer epochs")

    def steps(self, training: Training, rows: int, progress: int) -> int:
        """Return the gradient steps of one network in a round."""
        return training.steps(rows)

    def state_bytes(self, problem: Problem, rows: int) -> int | None:
        """Return the bytes of the network, None if the base cannot tell its size."""
        return networks(1, self.base, problem)


class TracedNetwork(OneNetwork):
    """A main model of one network that keeps the ids of all rows that its weights have seen."""

    def state_bytes(self, problem: Problem, rows: int) -> int | None:
        """Return the bytes of the network and of the ids, None if the base cannot tell its size."""
        network = super().state_bytes(problem, rows)
        return None if network is None else network + ID_BYTES * rows
