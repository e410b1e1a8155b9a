"""The section on the graph of peers before and after departures."""

from __future__ import annotations

from typing import Any

from simulator.report import graphs, words
from simulator.report.contract import Section, TaskPage
from simulator.report.model import GraphChange, ReportData
from simulator.report.sections import changes


def _view(data: ReportData, page: TaskPage) -> dict[str, Any] | None:
    return changes.view(data.graphs, _graph)


def _graph(one: GraphChange, place: int) -> dict[str, Any]:
    gone, new = set(one.edges_before) - set(one.edges_after), set(one.edges_after) - set(one.edges_before)
    hidden = len({*one.nodes_before, *one.nodes_after}) - len(graphs.near(one))
    caption = f"Red: what left, with {words.plural(len(gone), 'edge')}. Green: {words.plural(len(new), 'new edge')}."
    return {
        "round": one.round,
        "title": f"{words.peers(one.leavers)} left" if one.leavers else "edges changed",
        "pictures": changes.pair(graphs.change, one, f"graph-{place}"),
        "caption": caption + (f" Only the surroundings are drawn; {words.integer(hidden)} peers further away are not." if hidden else ""),
    }


SECTION = Section("graph", "Graph", "The graph, before and after", 50, changes.TEMPLATE, _view)
