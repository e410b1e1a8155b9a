"""Repair of the graph after peers are removed."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import networkx as nx

from clients.streams import Field, bottom, key_hash
from server.topology import Edge, Graph, Repair, edges


def remove(graph: Graph, gone: Iterable[int], policy: Repair, *key: Field) -> tuple[tuple[Edge, ...], tuple[Edge, ...]]:
    """Remove peers from a graph (in place) and repair the rest; edges between remaining peers are never removed.

    Parameters
    ----------
    graph : networkx.Graph
    gone : iterable of int
        Peers to remove, all at once.
    policy : {"none", "bridge", "rewire"}
    *key
        Key of the draws of ``rewire``.

    Returns
    -------
    lost, drawn : tuples of edges
        Removed and added edges, each sorted.
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
    """Draw edges for peers that lost some, largest deficit first; partners that lack edges too, in another component, are preferred.

    If no peer with a deficit is available, any other peer is taken, so that a peer ends with fewer neighbours than before only if it
    is already connected to all remaining peers.
    """
    needy = bottom(len(lack), lack, *key, "rewire")
    while needy := [peer for peer in needy if lack[peer] > 0]:
        one = max(needy, key=lambda peer: lack[peer])
        strangers = set(graph) - set(graph[one]) - {one}
        if not strangers:
            lack[one] = 0
            continue
        part = nx.node_connected_component(graph, one)
        best = min(_rank(peer, part, lack) for peer in strangers)
        (other,) = bottom(1, (peer for peer in strangers if _rank(peer, part, lack) == best), *key, "rewire", one)
        graph.add_edge(one, other)
        lack[one] -= 1
        lack[other] = lack.get(other, 0) - 1


def _rank(peer: int, part: set[int], lack: dict[int, int]) -> tuple[bool, bool, int]:
    """Return a sort key of partners, best first: lacks edges, lies in another component, lacks most."""
    missing = max(0, lack.get(peer, 0))
    return missing == 0, peer in part, -missing


def _reconnect(graph: Graph, key: tuple[Field, ...]) -> None:
    """Connect the components of a graph that was connected, each to the next by one edge between peers chosen by key."""
    parts = sorted(sorted(part) for part in nx.connected_components(graph))
    for one, other in pairwise(parts):
        graph.add_edge(*(min(part, key=lambda peer: key_hash(*key, "reconnect", peer)) for part in (one, other)))
