"""Scenario table of recollection along the path of stochastic gradient descent."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import NonNegativeFloat, PositiveFloat

from clients.data.rows import Rows
from clients.unlearning.contract import Guarantee, Problem
from clients.unlearning.limits import beyond, weights
from clients.unlearning.one_network import TracedNetwork


class Recollection(TracedNetwork):
    """One network that keeps, of each row, how far it has moved the weights, and adds these vectors to forget.

    It is trained by plain stochastic gradient descent, in float64 and in evaluation mode, with its own step size: ``training`` says only
    epochs and batches, not the optimiser. Forgetting is an addition, to first order the weights of the same batches without the rows,
    converged or not. Each step takes a Hessian-vector product for every row, and the vectors take as much memory as rows times weights.

    Parameters
    ----------
    base : table
        The network.
    lr : float
        Step size.
    penalty : float
        Weight of half the squared parameters, per row.
    """

    implementation: ClassVar[str] = "clients.unlearning.approximate.recollecting:Recollecting"
    guarantee: ClassVar[Guarantee] = "approximate"
    summary: ClassVar[str] = "one network that follows each row's share in its weights while it trains; an addition forgets"
    source: ClassVar[str] = "Qiao, Zhang, Tang, Wei, Hessian-Free Online Certified Unlearning, ICLR 2025, arXiv 2404.01712"

    kind: Literal["recollection"] = "recollection"
    lr: PositiveFloat = 0.05
    penalty: NonNegativeFloat = 0.0

    def check(self, problem: Problem, rows: Rows) -> str | None:
        """Return an error line if the rows' vectors or their products exceed a limit, else None."""
        size, n = 2 * weights(self.base, problem), len(rows)  # the vectors are float64
        steps = problem.rounds * self.steps(problem.training, n, 0) * n
        return beyond(self.tag, n, size * n, steps, "ask for a smaller base, fewer rows or fewer epochs")

    def state_bytes(self, problem: Problem, rows: int) -> int | None:
        """Return the bytes of the network, of the ids, and of the rows' vectors; None if the base cannot tell its size."""
        network = super().state_bytes(problem, rows)
        return None if network is None else network + 2 * weights(self.base, problem) * rows
