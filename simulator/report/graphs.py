"""Pictures of the graph of peers, and of the seeds that peers hold, before and after a change."""

from __future__ import annotations

from collections.abc import Iterable
from math import cos, pi, sin

import matplotlib as mpl
import networkx as nx
from matplotlib.axes import Axes

from simulator.report import svg, words
from simulator.report.model import Edge, GraphChange, HoldingsChange

RING = 40
"""Graphs up to this size are drawn as a ring, in which every peer has the same position in all pictures."""

MOST_NODES = 90
HOPS = 2
MOST_CELLS = 24

Places = dict[int, tuple[float, float]]


def change(graph: GraphChange, width: float, name: str) -> str:
    """Draw the graph before and after a departure: leavers and their edges in red, new edges in green.

    Of a graph with too many nodes, only the leavers and what is near them is drawn.
    """
    wide = width > 5
    shown = near(graph)
    places = _layout(shown, {*graph.edges_before, *graph.edges_after})
    with mpl.rc_context(svg.STYLE):
        fig = svg.figure(width, 3.5 if wide else 6.6)
        before, after = fig.subplots(1 if wide else 2, 2 if wide else 1, squeeze=False).ravel()
        gone, new = set(graph.edges_before) - set(graph.edges_after), set(graph.edges_after) - set(graph.edges_before)
        size = 15 if len(shown) <= 12 else 11 if len(shown) <= 24 else 8.5 if len(shown) <= RING else 5
        for axes, title in ((before, "Before"), (after, "After")):
            svg.bare(axes)
            axes.set_title(title)
            axes.set_aspect("equal")
            axes.margins(0.09)
        _edges(before, places, set(graph.edges_before) - gone, svg.QUIET, 1.1)
        _edges(before, places, gone, svg.GONE, 1.8)
        _nodes(before, places, set(graph.nodes_before) - set(graph.leavers), svg.ENSEMBLE, size)
        _nodes(before, places, set(graph.nodes_before) & set(graph.leavers), svg.GONE, size)
        _edges(after, places, gone, svg.QUIET, 0.8, dashed=True)
        _edges(after, places, set(graph.edges_after) - new, svg.QUIET, 1.1)
        _edges(after, places, new, svg.FRESH, 2.4)
        _nodes(after, places, graph.nodes_after, svg.ENSEMBLE, size)
        _ghosts(after, places, set(graph.nodes_before) - set(graph.nodes_after), size)
        label = f"Graph before and after round {graph.round}: {words.peers(graph.leavers)} left, {len(gone)} edges went, {len(new)} came"
        return svg.inline(fig, name, label)


def near(graph: GraphChange) -> list[int]:
    """Return the nodes to draw: all, or if there are too many, the leavers, their neighbours and second neighbours, up to a limit."""
    everyone = sorted({*graph.nodes_before, *graph.nodes_after})
    if len(everyone) <= MOST_NODES:
        return everyone
    net: nx.Graph[int] = nx.Graph([*graph.edges_before, *graph.edges_after])
    centre = set(graph.leavers) or {peer for edge in {*graph.edges_before} ^ {*graph.edges_after} for peer in edge}
    net.add_nodes_from(centre)
    distance = nx.multi_source_dijkstra_path_length(net, centre)
    close = sorted((hops, node) for node, hops in distance.items() if hops <= HOPS)
    return sorted(node for _, node in close[:MOST_NODES])


def _layout(nodes: list[int], edges: Iterable[Edge]) -> Places:
    if len(nodes) <= RING:
        turn = 2 * pi / max(len(nodes), 1)
        return {node: (sin(turn * place), cos(turn * place)) for place, node in enumerate(nodes)}
    net: nx.Graph[int] = nx.Graph()
    net.add_nodes_from(nodes)
    net.add_edges_from(edge for edge in sorted(edges) if edge[0] in net and edge[1] in net)
    return {node: (float(x), float(y)) for node, (x, y) in nx.spring_layout(net, seed=1, k=1.4 / len(nodes) ** 0.5).items()}


def _edges(axes: Axes, places: Places, edges: Iterable[Edge], colour: str, width: float, *, dashed: bool = False) -> None:
    for a, b in sorted(edges):
        if a in places and b in places:
            (xa, ya), (xb, yb) = places[a], places[b]
            axes.plot([xa, xb], [ya, yb], color=colour, linewidth=width, linestyle=(0, (2, 2)) if dashed else "-", zorder=1)


def _nodes(axes: Axes, places: Places, nodes: Iterable[int], colour: str, size: float) -> None:
    for node in sorted(nodes):
        if node in places:
            axes.plot(*places[node], "o", color=colour, markersize=size, markeredgecolor=svg.PAPER, markeredgewidth=1, zorder=3)
            if size > 5:
                _name(axes, places[node], node, svg.PAPER, size)


def _ghosts(axes: Axes, places: Places, nodes: Iterable[int], size: float) -> None:
    for node in sorted(nodes):
        if node in places:
            axes.plot(*places[node], "o", color=svg.PAPER, markersize=size, markeredgecolor=svg.GONE, markeredgewidth=1.2, zorder=2)
            if size > 5:
                _name(axes, places[node], node, svg.GONE, size)


def _name(axes: Axes, place: tuple[float, float], node: int, colour: str, size: float) -> None:
    small = size * (0.58 if node < 100 else 0.44)
    axes.text(place[0], place[1], str(node), color=colour, fontsize=small, ha="center", va="center_baseline", zorder=4, fontweight="bold")


def holdings_peers(change: HoldingsChange) -> tuple[list[int], list[int]]:
    """Return the holders and owners of the matrices: all, or if there are too many, those that an erasure concerned."""
    pairs = {*change.before, *change.after}
    everyone = sorted({peer for pair in pairs for peer in pair} | set(change.owners))
    if len(everyone) <= MOST_CELLS:
        return everyone, everyone
    touched = sorted({holder for holder, owner in pairs if owner in change.owners})[:MOST_CELLS]
    return touched, sorted(change.owners)[:MOST_CELLS]


def holdings(change: HoldingsChange, width: float, name: str) -> str:
    """Draw two matrices, holders by owners, before and after: kept seeds are blue, dropped ones crossed out, new ones green."""
    wide = width > 5
    holders, owners = holdings_peers(change)
    with mpl.rc_context(svg.STYLE):
        cell = min(0.27, (width / (2 if wide else 1) - 0.75) / max(len(owners), 1))
        height = 0.62 + cell * max(len(holders), 1)
        fig = svg.figure(width, height if wide else 2 * height)
        panels = fig.subplots(1 if wide else 2, 2 if wide else 1, squeeze=False).ravel()
        for axes, title, held, other, colour in zip(
            panels, ("Before", "After"), (change.before, change.after), (change.after, change.before), (svg.GONE, svg.FRESH), strict=True
        ):
            _matrix(axes, title, (holders, owners), held, other, colour, change.owners)
        return svg.inline(fig, name, f"Who held whose seed before and after round {change.round}")


def _matrix(
    axes: Axes,
    title: str,
    peers: tuple[list[int], list[int]],
    held: dict[tuple[int, int], tuple[int, ...]],
    other: dict[tuple[int, int], tuple[int, ...]],
    changed: str,
    erased: tuple[int, ...],
) -> None:
    """Draw one matrix; seeds that are not in the other one have the colour ``changed``."""
    holders, owners = peers
    row, column = {p: i for i, p in enumerate(holders)}, {p: i for i, p in enumerate(owners)}
    axes.set_title(title)
    for holder, owner in sorted(held):
        if holder in row and owner in column:
            moved = (holder, owner) not in other
            symbol = "X" if moved and changed == svg.GONE else "s"
            axes.plot(column[owner], row[holder], symbol, color=changed if moved else svg.ENSEMBLE, markersize=7, linestyle="none")
    axes.set_xticks(range(len(owners)), [str(p) for p in owners])
    axes.set_yticks(range(len(holders)), [str(p) for p in holders])
    for tick, owner in zip(axes.get_xticklabels(), owners, strict=True):
        if owner in erased:
            tick.set_color(svg.GONE)
            tick.set_fontweight("bold")
    axes.set_xlabel("seed of peer")
    axes.set_ylabel("held by peer")
    axes.set_xlim(-0.5, max(len(owners), 1) - 0.5)
    axes.set_ylim(max(len(holders), 1) - 0.5, -0.5)
    axes.set_aspect("equal")
    axes.grid(visible=True, axis="both")
    for side in axes.spines.values():
        side.set_visible(False)
