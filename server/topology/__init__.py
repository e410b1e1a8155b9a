"""Topologies: graphs by ``kind``, their repair after departures, and facts about them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from clients.spec import Registry, Spec
from clients.streams import bottom

if TYPE_CHECKING:
    import networkx as nx

    Graph = nx.Graph[int]
else:
    Graph = Any

Edge = tuple[int, int]
Repair = Literal["none", "bridge", "rewire"]
MOST_EDGES = 2_000_000
"""Largest number of edges of a graph, or of pairs of peers visited to draw it."""


class TopologyError(ValueError):
    """A graph that cannot be drawn or read; the message is one line with value and cure."""


class TopologySpec(Spec):
    """Base class of a graph in scenarios, with its repair when a peer is erased.

    ``on_leave``: ``none`` only removes the edges, ``bridge`` connects the former neighbours in a path, ``rewire`` draws new edges until
    they have their old degree again.

    Parameters
    ----------
    on_leave : {"none", "bridge", "rewire"}
        What is done to the graph when a peer is erased.
    """

    on_leave: Repair = "none"

    @abstractmethod
    def draw(self, peers: int, seed: int) -> Graph:
        """Return a simple graph on ``0 .. peers - 1``, a pure function of the arguments; ``TopologyError`` if there is none."""

    def most_edges(self, peers: int) -> int:
        """Return the largest number of edges of such a graph, or of pairs visited to draw it, whichever is more."""
        return peers


TOPOLOGIES: Registry[TopologySpec] = Registry(
    "lethe.topologies",
    "server.topology:TopologySpec",
    {
        "barabasi_albert": "server.topology.families:BarabasiAlbert",
        "complete": "server.topology.families:Complete",
        "erdos_renyi": "server.topology.families:ErdosRenyi",
        "file": "server.topology.file:FromFile",
        "k_regular": "server.topology.families:KRegular",
        "line": "server.topology.families:Line",
        "ring": "server.topology.families:Ring",
        "small_world": "server.topology.families:SmallWorld",
        "star": "server.topology.families:Star",
    },
)


def draw(spec: TopologySpec, peers: int, seed: int) -> Graph:
    """Return the graph a spec names, checked.

    Raises
    ------
    TopologyError
        If it cannot be drawn, is not a simple graph on the peers, or is not connected.
    """
    import networkx as nx

    if (most := spec.most_edges(peers)) > MOST_EDGES:
        what = f"connects {peers} peers by way of {most} pairs, more than the {MOST_EDGES} that a run can carry"
        raise TopologyError(f"this graph {what}: take fewer peers or another kind")
    graph = spec.draw(peers, seed)
    if strangers := sorted(set(graph) - set(range(peers))):
        raise TopologyError(f"the graph has node {strangers[0]}, but peers are 0 to {peers - 1}: raise peers.count or renumber the nodes")
    graph.add_nodes_from(range(peers))
    graph.remove_edges_from(list(nx.selfloop_edges(graph)))
    parts = sorted(map(sorted, nx.connected_components(graph)), key=len)
    if len(parts) > 1:
        alone = ", ".join(map(str, parts[0][:5]))
        raise TopologyError(
            f"the graph falls into {len(parts)} parts (peers {alone} reach no other part): add edges, draw a denser graph, or change seed"
        )
    return graph


def edges(graph: Graph) -> tuple[Edge, ...]:
    """Return the edges as pairs ``a < b``, sorted."""
    return tuple(sorted((min(a, b), max(a, b)) for a, b in graph.edges))


def attach(graph: Graph, peer: int, wished: Iterable[int], degree: int, *key: int | str) -> None:
    """Add a peer: connect it with those of ``wished`` that are present or, if there are none, with ``degree`` others drawn by the key."""
    others = sorted(set(graph) - {peer})
    near = [other for other in wished if other in graph and other != peer]
    graph.add_node(peer)
    graph.add_edges_from((peer, other) for other in near or bottom(max(1, degree), others, *key))


@dataclass(frozen=True)
class Facts:
    """Facts about a graph.

    ``diameter`` is None if the graph is empty or not connected. ``spectral_gap`` is the second smallest eigenvalue of the normalised
    Laplacian, in [0, 2]: 0 if the graph is not connected, larger if information spreads faster.
    """

    nodes: int
    edges: int
    parts: int
    degree_min: int
    degree_mean: float
    degree_max: int
    diameter: int | None
    spectral_gap: float


def describe(graph: Graph) -> Facts:
    """Return connectivity, degrees, diameter and spectral gap of a graph."""
    import networkx as nx
    import numpy as np

    degrees = [degree for _, degree in graph.degree] or [0]
    parts = nx.number_connected_components(graph)
    gap = 0.0
    if len(graph) > 1 and parts == 1:
        adjacency = nx.to_numpy_array(graph, nodelist=sorted(graph))
        scale = 1 / np.sqrt(adjacency.sum(axis=1))
        gap = max(0.0, float(1 - np.linalg.eigvalsh(adjacency * scale[:, None] * scale)[-2]))
    return Facts(
        nodes=len(graph),
        edges=graph.number_of_edges(),
        parts=parts,
        degree_min=min(degrees),
        degree_mean=sum(degrees) / len(degrees),
        degree_max=max(degrees),
        diameter=nx.diameter(graph) if parts == 1 else None,
        spectral_gap=gap,
    )
