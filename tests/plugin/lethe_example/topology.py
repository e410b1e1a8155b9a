"""A graph: a ring with chords."""

from __future__ import annotations

from typing import Literal

import networkx as nx

from server.topology import Graph, TopologySpec


class DoubleRing(TopologySpec):
    """Every peer knows the next two on either side."""

    kind: Literal["double_ring"] = "double_ring"

    def draw(self, peers: int, seed: int) -> Graph:
        """Return the graph."""
        graph: Graph = nx.circulant_graph(peers, [1, 2])
        return graph
