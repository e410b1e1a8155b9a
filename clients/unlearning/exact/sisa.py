"""Sharded, isolated, sliced, aggregated training."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import PositiveInt

from clients.data.rows import Rows
from clients.models import AnyModel
from clients.streams import Field
from clients.training import Training
from clients.unlearning.contract import Guarantee, Problem, Unlearner, UnlearnerSpec
from clients.unlearning.exact.schedule import Schedule
from clients.unlearning.exact.votes import Rule
from clients.unlearning.limits import beyond, weights


class Sisa(UnlearnerSpec):
    """Networks on disjoint shards; a deletion restarts only the shards it touches, from before the rows entered.

    Parameters
    ----------
    shards : int
        Number of networks; a row's keyed hash selects its network.
    slices : int
        Stages of a shard's training: stage k trains on slices 1 to k, and is preceded by a checkpoint.
    aggregate : {"mean", "majority", "weighted", "median"}
        Mean of the shards' probabilities, shares of their votes, mean weighted by the rows that each shard still holds, or median. The
        paper's default is the majority; ours is the mean, because seed models are trained on probabilities and votes of few shards are
        coarse.
    base : table
        The network of every shard.
    """

    guarantee: ClassVar[Guarantee] = "exact"
    summary: ClassVar[str] = "networks on shards; only touched shards restart, from the last checkpoint that never saw the rows"
    adds: ClassVar[bool] = True
    late: ClassVar[str] = "rows that arrive lie in the last slice of their shards, whatever their keyed hash says"
    untouched: ClassVar[str] = "no step was needed: the slices that the rows belong to had not been trained yet"
    source: ClassVar[str] = "Bourtoule et al. 2021, arXiv 1912.03817"

    kind: Literal["sisa"] = "sisa"
    shards: PositiveInt = 5
    slices: PositiveInt = 2
    base: AnyModel
    aggregate: Rule = "mean"

    def check(self, problem: Problem, rows: Rows) -> str | None:
        """Return an error line if there are too many slices for the rows or epochs, or a limit is exceeded, else None."""
        n = len(rows)
        if self.shards * self.slices > n:
            return f"sisa cuts {n} rows into {self.shards} shards x {self.slices} slices: ask for at most {n} slices in all"
        try:
            Schedule(problem.rounds, problem.training.epochs, self.slices)
        except ValueError as error:
            return str(error)
        size, steps = weights(self.base, problem) * self.shards * self.slices, problem.rounds * self.steps(problem.training, n, 0)
        return beyond(f"sisa with {self.shards} shards x {self.slices} slices", n, size, steps, "ask for fewer, or for a smaller base")

    def steps(self, training: Training, rows: int, progress: int) -> int:
        """Return roughly the steps of one network on all rows; slices shift steps between rounds, partial batches of shards add a few."""
        return training.steps(rows)

    def build(self, problem: Problem, key: tuple[Field, ...]) -> Unlearner[Any, Any]:
        """Return the untrained unlearner; ``ValueError`` if slices outnumber epochs or the base cannot take the inputs."""
        from clients.unlearning.exact.sharding import Sharded

        return Sharded(self.base, self.shards, self.slices, self.aggregate, problem, key)
