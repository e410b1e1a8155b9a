"""GraphEraser: networks on the shards of a graph that can be asked to forget nodes and edges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from clients.data.graphs import Edges, Graph, edge_codes
from clients.data.label_propagation import adjacency, blpa
from clients.data.rows import Ids
from clients.streams import Field, generator, order
from clients.training import Arrays
from clients.unlearning.contract import Cost, Guarantee, Outcome, Problem, State, Stored, Unlearner, UnlearningError
from clients.unlearning.exact.graph import partition
from clients.unlearning.exact.graph.aggregation import learned_weights, majority, mixture
from clients.unlearning.exact.graph.experts import Panel, train
from clients.unlearning.exact.graph.layers import messages
from clients.unlearning.exact.graph.requests import Removal
from clients.unlearning.exact.graph.spec import GraphEraser
from clients.unlearning.exact.position import checked_place, condition, stored_place
from clients.unlearning.exact.sparse import Sparse
from clients.unlearning.requests import whole_ids
from clients.unlearning.states import PROGRESS, Signed, fingerprint, fits, opened

_WIDTH = 128


class GraphEraserModel(Unlearner[Graph, Removal | npt.ArrayLike]):
    """One graph network per shard, and the learned weights of their predictions.

    A shard's network is trained on the subgraph its nodes induce; edges between shards carry messages only when a prediction is made.
    All networks are trained in the first round.

    Parameters
    ----------
    options : GraphEraser
    problem : Problem
    key : tuple
        Key of partition, initial weights, dropout and samples.
    """

    def __init__(self, options: GraphEraser, problem: Problem, key: tuple[Field, ...]) -> None:
        if len(problem.shape) != 1:
            raise ValueError(f"grapheraser takes one vector of features a node, not inputs of shape {problem.shape}: flatten them")
        self.options, self.key, self.rounds = options, key, problem.rounds
        self.features, self.classes = problem.shape[0], problem.classes
        self.guarantee: Guarantee = options.guarantee
        self.condition = condition(options.frozen)
        self.panel = Panel(options, self.features, self.classes)
        none = np.empty(0, np.int64)
        self.graph = Graph(none, sp.csr_matrix(np.empty((0, self.features), np.float32)), none.reshape(0, 2), none)
        self.place = none
        self.progress = 0
        self.experts: dict[int, Arrays] = {}
        self.weights = np.empty(0)

    def begin(self, data: Graph, place: npt.NDArray[np.int64] | None = None) -> None:
        """Start anew on a graph, which may be empty; all classes are then equally probable.

        Parameters
        ----------
        data : Graph
            Every edge joins two of its nodes.
        place : int64 array, shape (n,), optional
            The shard of each node: an existing partition instead of a new one.

        Raises
        ------
        UnlearningError
            If the graph contradicts the problem or itself, or a feature is not finite.
        """
        data = self._checked(data)
        given = None if place is None else checked_place(place, len(data), self.options.shards, "nodes")
        self.graph, self.progress, self.experts, self.weights = data, 0, {}, np.empty(0)
        self.place = self._partition(data) if given is None else given

    def advance(self) -> int:
        """Train every shard's network in the first round; return the gradient steps taken."""
        self.progress += 1
        if self.progress > 1:
            return 0
        self.experts = {s: self._train(self.graph, self.place, s) for s in self._voiced(self.graph, self.place)}
        self.weights = self._weigh()
        return self.options.epochs * len(self.experts)

    def predict_proba(self, x: Graph | npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return class probabilities of new nodes, shape (len(x), classes).

        Parameters
        ----------
        x : Graph or float array, shape (n, features)
            New nodes with their edges, to one another or to nodes held; edges to any other node (such as a forgotten one) are ignored. An
            array means nodes without edges.
        """
        answers = self.predict_shards(x)
        if not answers:
            return np.full((len(x), self.classes), 1 / self.classes, np.float32)
        together = np.stack(answers)
        return majority(together) if self.options.aggregate == "majority" else mixture(together, self.weights)

    def predict_shards(self, x: Graph | npt.NDArray[Any]) -> list[npt.NDArray[np.float32]]:
        """Return likewise the class probabilities of each shard with labelled nodes; none before the first round."""
        query = x if isinstance(x, Graph) else self._isolated(x)
        if query.x.shape[1] != self.features:
            raise UnlearningError(f"nodes have {query.x.shape[1]} features, not {self.features}")
        if len(held := np.intersect1d(query.ids, self.graph.ids)):
            raise UnlearningError(f"node {held[0]} is held already: ask about new nodes only")
        if not self.experts:
            return []
        ids = np.concatenate([self.graph.ids, query.ids])
        edges = np.concatenate([self.graph.edges, query.edges[np.isin(query.edges, ids).all(axis=1)]])
        rank = np.argsort(ids)
        heard = messages(len(ids), rank[np.searchsorted(ids, edges, sorter=rank)])
        wanted = np.arange(len(self.graph), len(ids))
        return list(self.panel.posteriors(self._ordered(), heard, Sparse(sp.vstack([self.graph.x, query.x], format="csr")), wanted))

    def forget(self, request: Removal | npt.ArrayLike) -> Outcome:
        """Forget nodes with all their edges, or edges alone; an array names nodes. Shards whose subgraph changes are retrained.

        The weights of the networks' predictions are learned anew after every request that is not empty.
        """
        removal = request if isinstance(request, Removal) else Removal(request)
        nodes, edges = self._named(removal)
        if not len(nodes) and not len(edges):
            return Outcome(Cost(), self.guarantee)
        kept = self.graph.without_edges(edges).without(nodes)
        place = self._settled(kept)
        before, self.graph, self.place = (self.graph, self.place), kept, place
        if not self.progress:
            return Outcome(Cost(), self.guarantee)
        voiced = self._voiced(kept, place)
        changed = [s for s in voiced if not _same(_shard(*before, s), _shard(kept, place, s))]
        self.experts = {s: self._train(kept, place, s) if s in changed else self.experts[s] for s in voiced}
        self.weights = self._weigh()
        return Outcome(Cost(gradient_steps=self.options.epochs * len(changed), parts=len(changed)), self.guarantee)

    def state(self) -> State:
        """Return progress, the partition, each shard's weights ``shard/s/...`` and the aggregation's weights."""
        state: State = {PROGRESS: np.array([self.progress]), "partition/ids": self.graph.ids, "partition/shard": self.place}
        for s, arrays in self.experts.items():
            state |= {f"shard/{s}/{name}": array for name, array in arrays.items()}
        return Signed(state | {"aggregation": self.weights}, self._origin(self.graph))

    def restore(self, state: Mapping[str, npt.NDArray[Any]], data: Graph) -> None:
        """Restore the model from its ``state`` and its retained graph ``data``.

        ``UnlearningError`` if the state has other nodes, names, dtypes or shapes, or belongs to other features, edges, labels, another key
        or other settings. The latter are checked by the fingerprint: trained weights imply none of them.
        """
        graph = self._checked(data)
        arrays, progress = opened(state, self._origin(graph))
        place = stored_place(arrays, graph.ids, self.options.shards, "nodes")
        voiced, shape = self._voiced(graph, place) if progress else [], self.panel.shape()
        like = {f"shard/{s}/{name}": array for s in voiced for name, array in shape.items()}
        fits(arrays, {"partition/ids": graph.ids, "partition/shard": place, "aggregation": np.empty(len(voiced)), **like})
        self.graph, self.place, self.progress, self.weights = graph, place, progress, arrays["aggregation"]
        self.experts = {s: {name: arrays[f"shard/{s}/{name}"] for name in shape} for s in voiced}

    def _origin(self, graph: Graph) -> str:
        settings = self.options.model_dump_json()
        return fingerprint(settings, self.features, self.classes, self.key, graph.ids, graph.x, graph.edges, graph.y)

    def stored(self) -> list[Stored]:
        """Return the partition, the networks and the learned weights, with the nodes that can have influenced them."""
        ids = self.graph.ids
        networks = [Stored(f"shard {s}", ids[self.place == s]) for s in self.experts]
        return [Stored("partition", ids.copy()), *networks, Stored("aggregation", (ids if self.progress else ids[:0]).copy())]

    def _checked(self, data: Graph) -> Graph:
        """Return a copy of the graph; ``UnlearningError`` if it contradicts the problem or itself."""
        n = len(data)
        if data.x.shape != (n, self.features):
            raise UnlearningError(f"{n} nodes with features of shape {data.x.shape}: make them ({n}, {self.features})")
        if data.y.shape != (n,) or not np.isin(data.y, np.arange(-1, self.classes)).all():
            raise UnlearningError(f"labels must be one integer in -1 .. {self.classes - 1} for each of {n} nodes")
        if not (np.diff(data.ids) > 0).all():
            raise UnlearningError("node ids must be ascending and without duplicates: make the graph with clients.data.graphs.graph")
        bad = np.flatnonzero(~np.isfinite(data.x.data))
        if len(bad):
            row = np.searchsorted(data.x.indptr, bad[0], side="right") - 1
            raise UnlearningError(f"node {data.ids[row]} has a feature that is not finite: clean it first")
        strange = data.edges[~np.isin(data.edges, data.ids).all(axis=1) | (data.edges[:, 0] >= data.edges[:, 1])]
        if len(strange):
            raise UnlearningError(
                f"edge {strange[0].tolist()} is a loop, is not ascending, or has an end that is no node: use graphs.graph"
            )
        return Graph(data.ids.copy(), data.x.copy(), data.edges.copy(), data.y.copy())

    def _named(self, removal: Removal) -> tuple[Ids, Edges]:
        """Return nodes and edges of a request in canonical form; ``UnlearningError`` names the first invalid, repeated or unknown one."""
        nodes = np.sort(whole_ids(removal.nodes, "node"))
        edges = np.sort(whole_ids(removal.edges, "edge", 2), axis=1)
        codes = edge_codes(edges)
        for what, asked, held, shown in (
            ("node", nodes, self.graph.ids, nodes),
            ("edge", codes, edge_codes(self.graph.edges), edges),
        ):
            values, first, count = np.unique(asked, return_index=True, return_counts=True)
            if (count > 1).any():
                raise UnlearningError(f"{what} {shown[first[count > 1][0]].tolist()} is named twice in one request: name it once")
            strangers = first[~np.isin(values, held)]
            if len(strangers):
                raise UnlearningError(
                    f"{what} {shown[strangers[0]].tolist()} is not held (never given, or already forgotten): name only what is held"
                )
        return nodes, edges

    def _settled(self, kept: Graph) -> npt.NDArray[np.int64]:
        """Return the partition after a request: a new one, or the old one without the forgotten nodes."""
        if self.options.frozen:
            return self.place[np.searchsorted(self.graph.ids, kept.ids)]
        return self._partition(kept)

    def _partition(self, graph: Graph) -> npt.NDArray[np.int64]:
        options, key = self.options, (*self.key, "partition")
        if options.partition == "keyed":
            return partition.keyed(graph.ids, options.shards, key)
        pairs = np.searchsorted(graph.ids, graph.edges)
        if options.partition == "blpa":
            return blpa(graph.ids, adjacency(len(graph), pairs), options.shards, options.slack, key)
        # embeddings of an untrained network: random weights, smoothed over the graph; labels would make every shard a single class
        points = graph.x @ generator(*key, "embedding").standard_normal((self.features, _WIDTH))
        smooth = messages(len(graph), pairs).normal.matrix
        for _ in range(options.hops):
            points = smooth @ points
        return partition.bekm(graph.ids, points, options.shards, options.slack, key)

    def _voiced(self, graph: Graph, place: npt.NDArray[np.int64]) -> list[int]:
        """Return the shards that hold a labelled node: the others learn nothing and are ignored in predictions."""
        return [int(s) for s in np.unique(place[graph.y >= 0])]

    def _train(self, graph: Graph, place: npt.NDArray[np.int64], shard: int) -> Arrays:
        return train(self.options, self.classes, _shard(graph, place, shard), (*self.key, "shard", shard))

    def _ordered(self) -> list[Arrays]:
        return [self.experts[s] for s in sorted(self.experts)]

    def _weigh(self) -> npt.NDArray[np.float64]:
        """Return the weights of the shards with labelled nodes, in order, learned on a keyed sample of the labelled nodes held."""
        if self.options.aggregate != "lbaggr" or not self.experts:
            return np.full(len(self.experts), 1 / max(len(self.experts), 1))
        labelled = np.flatnonzero(self.graph.y >= 0)
        chosen = np.sort(labelled[order(self.graph.ids[labelled], *self.key, "sample")[: self.options.sample]])
        heard = messages(len(self.graph), np.searchsorted(self.graph.ids, self.graph.edges))
        answers = self.panel.posteriors(self._ordered(), heard, Sparse(self.graph.x), chosen)
        return learned_weights(answers, self.graph.y[chosen], self.options.penalty)

    def _isolated(self, x: npt.NDArray[Any]) -> Graph:
        first = int(self.graph.ids[-1]) + 1 if len(self.graph) else 0
        ids = np.arange(first, first + len(x))
        return Graph(ids, sp.csr_matrix(np.asarray(x, dtype=np.float32)), np.empty((0, 2), np.int64), np.full(len(x), -1))


def _shard(graph: Graph, place: npt.NDArray[np.int64], shard: int) -> Graph:
    return graph.only(graph.ids[place == shard])


def _same(a: Graph, b: Graph) -> bool:
    """Whether two subgraphs of one history are equal; a node's features and label never change, so its id identifies them."""
    return np.array_equal(a.ids, b.ids) and np.array_equal(a.edges, b.edges)
