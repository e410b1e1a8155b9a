"""Scenario table of GraphEraser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from clients.data.rows import Ids, Rows
from clients.iterations import Iterations
from clients.training import Training
from clients.unlearning.contract import Problem
from clients.unlearning.exact.position import Leakage, PartitionedSpec
from clients.unlearning.limits import beyond

if TYPE_CHECKING:
    from clients.data import Dataset
    from clients.data.graphs import Graph
    from clients.unlearning.exact.graph.requests import Removal


class GraphEraser(PartitionedSpec):
    """Graph networks on shards of a partitioned graph; a deletion retrains the shards it touches and the aggregation.

    Parameters
    ----------
    shards : int
        Number of shards.
    partition : {"keyed", "blpa", "bekm"}
        Hash of the node's id; balanced label propagation; balanced k-means on embeddings.
    leakage : {"frozen", "repartition"}
        Whether a learned partition is kept, or computed again from the kept nodes at each request. A keyed partition leaks nothing and
        needs neither. Unlearning is exact except with a frozen partition, where it is exact only given the partition.
    network : {"gcn", "sage", "gat"}
        Kind of every shard's network.
    hidden : int
        Width of every shard's network.
    dropout : float
        Share of the hidden units that is dropped in training.
    epochs : int
        Full-batch epochs.
    lr, weight_decay : float
        Learning rate and weight decay of Adam.
    aggregate : {"lbaggr", "mean", "majority"}
        Learned weights, mean of the posteriors, or shares of the votes.
    slack : float in [0, 1]
        A shard holds at most ``ceil(n/k + slack (n - n/k))`` nodes.
    hops : int
        Smoothing steps over the graph for the embeddings of ``bekm``. More steps keep more edges but give shards with fewer classes,
        which costs accuracy; 0 clusters by the features alone. On Cora (20 shards, GCN), 0 keeps 15 % of the edges with F1 .81, 1 keeps
        48 % with .65, 2 keeps 58 % with .62 (``docs/measurements.md``).
    penalty : float
        Weight of the norm of the learned weights, which makes them more equal.
    sample : int
        Number of nodes from which the weights are learned.
    """

    implementation: ClassVar[str] = "clients.unlearning.exact.graph.eraser:GraphEraserModel"
    summary: ClassVar[str] = "graph networks on balanced shards of the graph; only touched shards and the learned weights are redone"
    source: ClassVar[str] = "Chen et al. 2022, arXiv 2103.14991"
    unit: ClassVar[str] = "nodes and edges"

    kind: Literal["grapheraser"] = "grapheraser"
    shards: PositiveInt = 10
    partition: Literal["keyed", "blpa", "bekm"] = "blpa"
    leakage: Leakage = "repartition"
    network: Literal["gcn", "sage", "gat"] = "gcn"
    hidden: Annotated[int, Field(gt=0, multiple_of=4)] = 64
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    epochs: Iterations = 500
    lr: PositiveFloat = 0.01
    weight_decay: NonNegativeFloat = 1e-5
    aggregate: Literal["lbaggr", "mean", "majority"] = "lbaggr"
    slack: Annotated[float, Field(ge=0, le=1)] = 0.005
    hops: NonNegativeInt = 0
    penalty: NonNegativeFloat = 0.1
    sample: PositiveInt = 1000

    def check(self, problem: Problem, rows: Rows) -> str | None:
        """Return an error line if shards, hidden units or epochs need too much memory or time, else None."""
        n, width = len(rows), self.hidden * (sum(problem.shape) + problem.classes)
        size = 8 * self.shards * n + 4 * min(self.shards, n) * width + 12 * n * self.hidden + 16 * width
        what = f"grapheraser with shards = {self.shards}, hidden = {self.hidden}"
        return beyond(what, n, size, self.steps(problem.training, n, 0), "ask for fewer shards, hidden units or epochs")

    def steps(self, training: Training, rows: int, progress: int) -> int:
        """Return the steps of all shards in the first round, and 0 later; shards without a labelled node take none."""
        return 0 if progress else self.epochs * min(self.shards, rows)

    def training_data(self, source: Dataset, ids: Ids) -> Graph:
        """Return the subgraph induced by these nodes."""
        from clients.data.graphs import among

        return among(source, ids)

    def inference_inputs(self, source: Dataset, ids: Ids) -> Graph:
        """Return these nodes with all their edges."""
        from clients.data.graphs import around

        return around(source, ids)

    def to_request(self, source: Dataset, ids: Ids) -> Removal:
        """Return the request to forget the nodes and edges with these ids."""
        from clients.unlearning.exact.graph.requests import Removal

        edges = ids >= len(source)
        return Removal(ids[~edges], source.ends(ids[edges]))
