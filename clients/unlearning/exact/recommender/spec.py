"""Scenario table of RecEraser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from clients.data.rows import Ids, Rows
from clients.iterations import Iterations, IterationsFromZero
from clients.spec import Spec
from clients.training import Training
from clients.unlearning.contract import Problem, UnlearningError
from clients.unlearning.exact.position import Leakage, PartitionedSpec
from clients.unlearning.limits import beyond

if TYPE_CHECKING:
    from clients.data import Dataset
    from clients.data.interactions import Interactions
    from clients.data.ratings import Ratings


class _ByGradient(Spec):
    """Vectors of users and items, trained by gradient steps on batches of interactions.

    Parameters
    ----------
    epochs : int
        Passes over the interactions.
    batch_size : int
        Interactions a gradient step.
    lr : float
        Learning rate.
    decay : float
        Weight of the squared vectors.
    """

    epochs: Iterations = 100
    batch_size: PositiveInt
    lr: PositiveFloat
    decay: NonNegativeFloat


class Bpr(_ByGradient):
    """Matrix factorisation by Bayesian personalised ranking (Rendle et al. 2009), trained with Adagrad."""

    kind: Literal["bpr"] = "bpr"
    batch_size: PositiveInt = 256
    lr: PositiveFloat = 0.05
    decay: NonNegativeFloat = 0.01


class Wmf(Spec):
    """Weighted matrix factorisation (Hu et al. 2008) by alternating least squares.

    Parameters
    ----------
    epochs : int
        Iterations of alternating least squares.
    weight : float
        Weight of a pair without interaction, relative to 1 for a pair with one.
    decay : float
        Weight of the squared vectors.
    """

    kind: Literal["wmf"] = "wmf"
    epochs: Iterations = 10
    weight: Annotated[float, Field(gt=0, lt=1)] = 0.1
    decay: PositiveFloat = 3.0


class LightGcn(_ByGradient):
    """LightGCN (He et al. 2020), trained with the ranking loss and Adam.

    Parameters
    ----------
    layers : int
        Propagation steps over the graph of users and items.
    """

    kind: Literal["lightgcn"] = "lightgcn"
    batch_size: PositiveInt = 1024
    lr: PositiveFloat = 0.01
    decay: NonNegativeFloat = 1e-3
    layers: PositiveInt = 3


Base = Annotated[Bpr | Wmf | LightGcn, Field(discriminator="kind")]


class RecEraser(PartitionedSpec):
    """Recommenders on shards of the interactions; a deletion retrains the shards it touches and the aggregation.

    Parameters
    ----------
    shards : int
        Number of shards.
    partition : {"keyed", "ubp", "ibp", "inbp"}
        Hash of the interaction; balanced clusters of users, of items, of interactions.
    leakage : {"frozen", "repartition"}
        Whether a learned partition is kept, or computed again from the kept interactions at each request. A keyed partition leaks nothing
        and needs neither. Unlearning is exact except with a frozen partition, where it is exact only given the partition.
    base : Bpr, Wmf or LightGcn
        Recommender trained on every shard.
    dim : int
        Length of users' and items' vectors.
    aggregate : {"attention", "mean"}
        Attention over the shards' vectors, or mean of the shards' scores.
    attention, epochs : int
        Width of the attention, and its training epochs.
    batch_size : int
        Interactions per batch; with WMF, users that have about as many together.
    lr : float
        Adam's learning rate.
    decay : float
        Weight of the attention's squared transfers.
    dropout : float
        Share of the users' vectors that is dropped while the attention is trained.
    slack : float
        A shard holds at most ``ceil((1 + slack) n / shards)`` elements.
    """

    implementation: ClassVar[str] = "clients.unlearning.exact.recommender.eraser:RecEraserModel"
    summary: ClassVar[str] = "recommenders on balanced shards of users, items or interactions, joined by attention"
    source: ClassVar[str] = "Chen et al. 2022, arXiv 2201.06820"
    unit: ClassVar[str] = "interactions and users"

    kind: Literal["receraser"] = "receraser"
    shards: PositiveInt = 10
    partition: Literal["keyed", "ubp", "ibp", "inbp"] = "inbp"
    leakage: Leakage = "repartition"
    base: Base = Bpr()
    dim: PositiveInt = 64
    aggregate: Literal["attention", "mean"] = "attention"
    attention: PositiveInt = 32
    epochs: IterationsFromZero = 20
    batch_size: PositiveInt = 16384
    lr: PositiveFloat = 0.01
    decay: NonNegativeFloat = 1e-5
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    slack: Annotated[float, Field(ge=0, le=1)] = 0.2

    def check(self, problem: Problem, rows: Rows) -> str | None:
        """Return an error line if shards, dimensions or epochs need too much, else None; users are not counted, as rows lack them."""
        n, shards = len(rows), min(self.shards, len(rows))
        size = 4 * shards * self.dim * (problem.classes + self.dim) + 4 * self.dim * self.attention
        size += 4 * problem.classes * self.dim**2 if isinstance(self.base, Wmf) else 0
        what = f"receraser with shards = {self.shards}, dim = {self.dim}"
        return beyond(what, n, size, self.steps(problem.training, n, 0), "ask for fewer shards, dimensions or epochs")

    def steps(self, training: Training, rows: int, progress: int) -> int:
        """Return the steps of all shards and the attention in the first round, and 0 later; WMF's shards take none."""
        if progress or not rows:
            return 0
        attention = self.epochs * -(-rows // self.batch_size) if self.aggregate == "attention" else 0
        if isinstance(self.base, Wmf):
            return attention
        shards = min(self.shards, rows)
        return attention + self.base.epochs * (-(-rows // self.base.batch_size) + shards - 1)  # each shard may end with a partial batch

    def training_data(self, source: Dataset, ids: Ids) -> Ratings:
        """Return these rows as interactions."""
        from clients.data.ratings import Ratings

        users = _interactions(source).users
        return Ratings(users[ids], source.y[ids], int(users[-1]) + 1, source.classes)

    def distillation_inputs(self, source: Dataset, ids: Ids) -> tuple[Ids, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return (ids, student inputs, teacher inputs) for distilling on public rows: users' histories and parts of them."""
        places, histories = _interactions(source).lessons(ids)
        return places, histories, histories

    def to_request(self, source: Dataset, ids: Ids) -> Ids:
        """Return the request to forget rows: pairs of user and item, int64 (len(ids), 2)."""
        return np.stack([_interactions(source).users[ids], source.y[ids]], axis=1)


def _interactions(source: Dataset) -> Interactions:
    """Return the data set if it consists of interactions, else raise ``UnlearningError``."""
    from clients.data.interactions import Interactions

    if not isinstance(source, Interactions):
        raise UnlearningError("receraser: the rows of this data set are no interactions of users: take dataset = 'ratings'")
    return source
