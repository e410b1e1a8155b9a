"""Sharded, isolated, sliced, aggregated training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import PositiveInt, model_validator

from clients.data.rows import Rows
from clients.models import MODELS, ModelSpec
from clients.streams import Field
from clients.training import Training
from clients.union import Tagged
from clients.unlearning import UNLEARNERS
from clients.unlearning.contract import ExactSpec, Problem, Unlearner, UnlearnerSpec
from clients.unlearning.exact.schedule import Schedule
from clients.unlearning.exact.votes import Rule
from clients.unlearning.limits import COUNT_BYTES, beyond, networks, weights


class Bases:
    """The unlearners by ``kind``, except SISA itself; see `clients.union.Members`."""

    tag = "kind"

    def targets(self) -> Mapping[str, str]:
        """Return all names."""
        return {kind: target for kind, target in UNLEARNERS.targets().items() if kind != "sisa"}

    def load(self, kind: str) -> type[Any]:
        """Return the class of a name."""
        return UNLEARNERS.load(kind)

    def working(self) -> Mapping[str, type[Any]]:
        """Return all classes that can be used, by name."""
        return {kind: spec for kind, spec in UNLEARNERS.working().items() if kind != "sisa" and spec.unit == "rows" and spec.classifier}


if TYPE_CHECKING:
    AnyBase = ModelSpec | UnlearnerSpec
else:  # the registries know their members only at run time
    AnyBase = Annotated[Any, Tagged((MODELS, Bases()), lambda spec: spec)]


class Sisa(ExactSpec):
    """Networks on disjoint shards; a deletion restarts only the shards it touches, from before the rows entered.

    An unlearner in the place of the network forgets within its shard: by its own method where that is exact, else by training again.

    Parameters
    ----------
    shards : int
        Number of networks; a row's keyed hash selects its network.
    slices : int
        Stages of a shard's training: stage k trains on slices 1 to k, and is preceded by a checkpoint. 1 where ``base`` is an unlearner.
    aggregate : {"mean", "majority", "weighted", "median"}
        Mean of the shards' probabilities, shares of their votes, mean weighted by the rows that each shard still holds, or median. The
        paper's default is the majority; ours is the mean, because seed models are trained on probabilities and votes of few shards are
        coarse.
    base : table
        The network of every shard, or its unlearner, which must classify rows.
    """

    summary: ClassVar[str] = "networks on shards; only touched shards restart, from the last checkpoint that never saw the rows"
    adds: ClassVar[bool] = True
    corrects: ClassVar[bool] = True
    late: ClassVar[str] = "rows that arrive lie in the last slice of their shards, whatever their keyed hash says"
    untouched: ClassVar[str] = "no step was needed: the slices that the rows belong to had not been trained yet"
    source: ClassVar[str] = "Bourtoule et al. 2021, arXiv 1912.03817"

    kind: Literal["sisa"] = "sisa"
    shards: PositiveInt = 5
    slices: PositiveInt = 2
    base: AnyBase
    aggregate: Rule = "mean"

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if isinstance(self.base, UnlearnerSpec):
            kind = self.base.tag
            if self.base.unit != "rows" or not self.base.classifier:
                what = "is no classifier" if self.base.unit == "rows" else f"forgets {self.base.unit}"
                raise ValueError(f"base {kind!r} {what}, sisa needs one that classifies rows: take another kind")
            if self.slices > 1:
                raise ValueError(f"base {kind!r} is not trained slice by slice, but slices = {self.slices}: set slices = 1")
        return self

    def check(self, problem: Problem, rows: Rows) -> str | None:
        """Return an error line if there are too many slices for the rows or epochs, or a limit is exceeded, else None."""
        n = len(rows)
        if self.shards * self.slices > n:
            return f"sisa cuts {n} rows into {self.shards} shards x {self.slices} slices: ask for at most {n} slices in all"
        if isinstance(self.base, UnlearnerSpec):
            return self.base.check(problem, rows)
        try:
            Schedule(problem.rounds, problem.training.epochs, self.slices)
        except ValueError as error:
            return str(error)
        size, steps = weights(self.base, problem) * self.shards * self.slices, problem.rounds * self.steps(problem.training, n, 0)
        return beyond(f"sisa with {self.shards} shards x {self.slices} slices", n, size, steps, "ask for fewer, or for a smaller base")

    def steps(self, training: Training, rows: int, progress: int) -> int:
        """Return roughly the steps of one network on all rows; slices shift steps between rounds, partial batches of shards add a few.

        Of an unlearner, the steps on equal shards.
        """
        if isinstance(self.base, UnlearnerSpec):
            return self.shards * self.base.steps(training, -(-rows // self.shards), progress)
        return training.steps(rows)

    def state_bytes(self, problem: Problem, rows: int) -> int | None:
        """Return the bytes of the shards' models, and of the checkpoints before all slices but the first; None if the base cannot tell.

        Of unlearners, the bytes if each shard has rows.
        """
        if not isinstance(self.base, UnlearnerSpec):
            return networks(self.shards * self.slices, self.base, problem)
        empty, whole = (self.base.state_bytes(problem, count) for count in (0, rows))
        return None if empty is None or whole is None else COUNT_BYTES + (self.shards - 1) * empty + whole

    def build(self, problem: Problem, key: tuple[Field, ...]) -> Unlearner[Any, Any]:
        """Return the untrained unlearner; ``ValueError`` if slices outnumber epochs or the base cannot take the inputs."""
        if isinstance(self.base, UnlearnerSpec):
            from clients.unlearning.exact.composite import ShardedUnlearner

            return ShardedUnlearner(self.base, self.shards, self.aggregate, problem, key)
        from clients.unlearning.exact.sharding import Sharded

        return Sharded(self.base, self.shards, self.slices, self.aggregate, problem, key)
