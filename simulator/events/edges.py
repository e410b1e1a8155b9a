"""Changes of the graph without a departure."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from server.topology import Edge
from simulator.events.contract import EventSpec, Stage
from simulator.events.peers import EventError
from simulator.events.world import World

Edges = Annotated[tuple[Edge, ...], Field(min_length=1)]


def _checked(edges: Edges, world: World) -> list[Edge]:
    """Return the edges as pairs ``a < b``; ``EventError`` if an end is unknown or not in the graph."""
    for edge in edges:
        for peer in edge:
            world.require_known(peer)
            if peer not in world.graph:
                raise EventError(f"peer {peer} is not in the graph in round {world.round}: name peers that are")
        if edge[0] == edge[1]:
            raise EventError(f"edge {list(edge)} connects peer {edge[0]} with itself: name two peers")
    return [(min(edge), max(edge)) for edge in edges]


def _listed(edges: list[Edge]) -> str:
    """Format edges as text."""
    return " ".join(f"{a}-{b}" for a, b in edges)


class _NamedEdges(EventSpec):
    """An event that happens to edges.

    Parameters
    ----------
    edges : list of pairs
        Pairs of peers.
    """

    stage: ClassVar[Stage] = "membership"
    needs_neighbours: ClassVar[bool] = True

    edges: Edges


class Cut(_NamedEdges):
    """Edges are removed; their two ends drop each other's seeds."""

    do: Literal["cut"] = "cut"

    def resolve(self, world: World) -> None:
        """Remove the edges."""
        edges = _checked(self.edges, world)
        for a, b in edges:
            if not world.graph.has_edge(a, b):
                near = ", ".join(map(str, sorted(world.graph[a]))) or "nobody"
                raise EventError(f"there is no edge {a}-{b} in round {world.round}: cut one that is there, peer {a} is beside {near}")
            world.graph.remove_edge(a, b)
        world.tell("cut", {peer for edge in edges for peer in edge}, _listed(edges))


class Link(_NamedEdges):
    """Edges are added; current seeds are delivered over them."""

    do: Literal["link"] = "link"

    def resolve(self, world: World) -> None:
        """Add the edges."""
        edges = _checked(self.edges, world)
        for a, b in edges:
            if world.graph.has_edge(a, b):
                raise EventError(f"the edge {a}-{b} is there already in round {world.round}: link two peers that are no neighbours")
            world.graph.add_edge(a, b)
        world.tell("link", {peer for edge in edges for peer in edge}, _listed(edges))
