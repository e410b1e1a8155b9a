"""What becomes of the graph when peers are taken out of it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations, pairwise

import networkx as nx

from clients.streams import Field, key_hash
from server.topology import Edge, Graph, Repair, edges


def remove(graph: Graph, gone: Iterable[int], policy: Repair, *key: Field) -> tuple[tuple[Edge, ...], tuple[Edge, ...]]:
    """Take peers out of a graph (in place) and repair what they leave behind; existing edges among others are never cut.

    Parameters
    ----------
    graph : networkx.Graph
    gone : iterable of int
        Peers to take out, all at once.
    policy : {"none", "bridge", "rewire"}
    *key
        Key of the draws of ``rewire``.

    Returns
    -------
    lost, drawn : tuples of edges
        Edges that vanished and edges that are new, sorted.
    """
    leavers = sorted(set(gone))
    before = set(edges(graph))
    orphans = {leaver: sorted(set(graph[leaver]) - set(leavers)) for leaver in leavers}
    lack: dict[int, int] = {}
    for left in orphans.values():
        for orphan in left:
            lack[orphan] = lack.get(orphan, 0) + 1
    was_connected = nx.is_connected(graph) if len(graph) else True
    graph.remove_nodes_from(leavers)
    if policy == "bridge":
        for left in orphans.values():
            nx.add_path(graph, left)
    elif policy == "rewire":
        _restore_degrees(graph, lack, key)
        if was_connected:
            _reconnect(graph, key)
    after = set(edges(graph))
    return tuple(sorted(before - after)), tuple(sorted(after - before))


def _restore_degrees(graph: Graph, lack: dict[int, int], key: tuple[Field, ...]) -> None:
    """Draw edges among those that lack some, joining separate parts first; who finds no partner there takes any other peer.

    Nobody ends with fewer neighbours than before unless everyone left is a neighbour already.
    """
    while needy := sorted(peer for peer, missing in lack.items() if missing > 0):
        part = {peer: i for i, members in enumerate(nx.connected_components(graph)) for peer in members}
        pairs = [(a, b) for a, b in combinations(needy, 2) if not graph.has_edge(a, b)]
        if not pairs:
            pairs = [(a, b) for a in needy for b in sorted(graph) if b not in needy and not graph.has_edge(a, b)]
        if not pairs:
            return
        a, b = min(pairs, key=lambda pair: (part[pair[0]] == part[pair[1]], -_need(pair, lack), key_hash(*key, "rewire", *pair)))
        graph.add_edge(a, b)
        for peer in (a, b):
            lack[peer] = lack.get(peer, 0) - 1


def _need(pair: Edge, lack: dict[int, int]) -> int:
    """Return how many edges the needier of two peers lacks."""
    return max(lack.get(pair[0], 0), lack.get(pair[1], 0))


def _reconnect(graph: Graph, key: tuple[Field, ...]) -> None:
    """Connect the parts of a graph that was in one piece, each with the next by one edge between keyed peers."""
    parts = sorted(sorted(part) for part in nx.connected_components(graph))
    for one, other in pairwise(parts):
        graph.add_edge(*(min(part, key=lambda peer: key_hash(*key, "reconnect", peer)) for part in (one, other)))
