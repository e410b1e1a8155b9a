"""Families of graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import networkx as nx
from pydantic import Field, PositiveInt

from clients.streams import key_hash
from server.topology import Graph, TopologyError, TopologySpec

Probability = Annotated[float, Field(ge=0, le=1)]
_REDRAWS = 100
_STEPS = 20_000_000
"""Steps of all draws of a graph together; only graphs of more than 10,000 edges get fewer than a hundred draws."""
_STEPS_AN_EDGE = 20


def _pairs(peers: int) -> int:
    return peers * (peers - 1) // 2


def _draws(steps: int) -> int:
    """Return how often a graph that takes this many steps may be drawn, so that drawing ends within seconds."""
    return max(1, min(_REDRAWS, _STEPS // max(steps, 1)))


def _connected(make: Callable[[int], Graph], kind: str, seed: int, draws: int) -> Graph:
    """Return the first connected graph among keyed draws, or the last draw if none is."""
    for attempt in range(draws):
        graph = make(key_hash(seed, "topology", kind, attempt))
        if len(graph) and nx.is_connected(graph):
            break
    return graph


def _below(name: str, value: int, peers: int) -> None:
    """Raise ``TopologyError`` unless there are more peers than neighbours asked for."""
    if value >= peers:
        raise TopologyError(f"{name} = {value} needs at least {value + 1} peers, there are {peers}: lower {name} or raise peers.count")


class Ring(TopologySpec):
    """Every peer has two neighbours; the last meets the first."""

    kind: Literal["ring"] = "ring"

    def draw(self, peers: int, seed: int) -> Graph:
        """Return the ring (a line if there are fewer than three peers)."""
        graph: Graph = nx.cycle_graph(peers) if peers > 2 else nx.path_graph(peers)
        return graph


class Line(TopologySpec):
    """A chain: every peer but the two at the ends has two neighbours."""

    kind: Literal["line"] = "line"

    def draw(self, peers: int, seed: int) -> Graph:
        """Return the chain."""
        graph: Graph = nx.path_graph(peers)
        return graph


class Complete(TopologySpec):
    """Everyone is everyone's neighbour."""

    kind: Literal["complete"] = "complete"

    def draw(self, peers: int, seed: int) -> Graph:
        """Return the complete graph."""
        graph: Graph = nx.complete_graph(peers)
        return graph

    def most_edges(self, peers: int) -> int:
        """Return the number of pairs."""
        return _pairs(peers)


class Star(TopologySpec):
    """One peer in the middle.

    Parameters
    ----------
    hub : int
        The peer in the middle.
    """

    kind: Literal["star"] = "star"
    hub: Annotated[int, Field(ge=0)] = 0

    def draw(self, peers: int, seed: int) -> Graph:
        """Return the star."""
        _below("hub", self.hub, peers)
        graph: Graph = nx.empty_graph(peers)
        graph.add_edges_from((self.hub, other) for other in range(peers) if other != self.hub)
        return graph


class KRegular(TopologySpec):
    """A random graph in which everyone has ``k`` neighbours.

    Parameters
    ----------
    k : int
        Neighbours of each peer.
    """

    kind: Literal["k_regular"] = "k_regular"
    k: PositiveInt = 4

    def draw(self, peers: int, seed: int) -> Graph:
        """Return a random k-regular graph, connected if one of a hundred draws is."""
        _below("k", self.k, peers)
        if self.k * peers % 2:
            raise TopologyError(f"no graph gives each of {peers} peers k = {self.k} neighbours, both being odd: change one of them by 1")
        draws = _draws(_STEPS_AN_EDGE * self.most_edges(peers))
        return _connected(lambda drawn: nx.random_regular_graph(self.k, peers, seed=drawn), self.kind, seed, draws)

    def most_edges(self, peers: int) -> int:
        """Return the number of edges."""
        return peers * min(self.k, peers) // 2


class SmallWorld(TopologySpec):
    """Watts and Strogatz 1998: a ring of ``k`` nearest neighbours, each edge rewired with probability ``p``.

    Parameters
    ----------
    k : int
        Nearest neighbours in the ring.
    p : float
        Probability that an edge is rewired.
    """

    kind: Literal["small_world"] = "small_world"
    k: Annotated[int, Field(ge=2)] = 4
    p: Probability = 0.3

    def draw(self, peers: int, seed: int) -> Graph:
        """Return the graph, connected if one of a hundred draws is."""
        _below("k", self.k, peers)
        if self.k % 2:
            raise TopologyError(f"k = {self.k} is odd, but a ring has as many neighbours on either side: take {self.k - 1} or {self.k + 1}")
        draws = _draws(_STEPS_AN_EDGE * self.most_edges(peers))
        return _connected(lambda drawn: nx.watts_strogatz_graph(peers, self.k, self.p, seed=drawn), self.kind, seed, draws)

    def most_edges(self, peers: int) -> int:
        """Return the number of edges."""
        return peers * min(self.k, peers) // 2


class ErdosRenyi(TopologySpec):
    """Every pair is connected with probability ``p``.

    Parameters
    ----------
    p : float
        Probability of each edge.
    """

    kind: Literal["erdos_renyi"] = "erdos_renyi"
    p: Probability = 0.5

    def draw(self, peers: int, seed: int) -> Graph:
        """Return the graph, connected if one of a hundred draws is."""
        return _connected(lambda drawn: nx.gnp_random_graph(peers, self.p, seed=drawn), self.kind, seed, _draws(_pairs(peers)))

    def most_edges(self, peers: int) -> int:
        """Return the number of pairs, each of which is drawn."""
        return _pairs(peers)


class BarabasiAlbert(TopologySpec):
    """Preferential attachment: each newcomer connects with ``m`` peers, preferring the well connected.

    Parameters
    ----------
    m : int
        Edges that each newcomer brings.
    """

    kind: Literal["barabasi_albert"] = "barabasi_albert"
    m: PositiveInt = 2

    def draw(self, peers: int, seed: int) -> Graph:
        """Return the graph."""
        _below("m", self.m, peers)
        return nx.barabasi_albert_graph(peers, self.m, seed=key_hash(seed, "topology", self.kind))

    def most_edges(self, peers: int) -> int:
        """Return the number of edges, the newcomers' own."""
        return peers * min(self.m, peers)
