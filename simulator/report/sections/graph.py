"""Who was connected with whom, before and after departures."""

from __future__ import annotations

from typing import Any

from simulator.report import graphs, svg, words
from simulator.report.contract import Section, TaskPage
from simulator.report.model import GraphChange, ReportData

MOST_PICTURES = 12

TEMPLATE = """{% for graph in graphs %}<h3>Round {{ graph.round }}: {{ graph.title }}</h3>
{{ picture(graph.pictures, graph.caption) }}
{% endfor %}{% if hidden %}<p class="note">{{ hidden }} later changes are not drawn.</p>{% endif %}
"""


def _view(data: ReportData, page: TaskPage) -> dict[str, Any] | None:
    shown = data.graphs[:MOST_PICTURES]
    pictured = [_graph(one, place) for place, one in enumerate(shown)]
    return {"graphs": pictured, "hidden": len(data.graphs) - len(shown)} if shown else None


def _graph(one: GraphChange, place: int) -> dict[str, Any]:
    gone, new = set(one.edges_before) - set(one.edges_after), set(one.edges_after) - set(one.edges_before)
    hidden = len({*one.nodes_before, *one.nodes_after}) - len(graphs.near(one))
    caption = f"Red: what left, with {words.plural(len(gone), 'edge')}. Green: {words.plural(len(new), 'new edge')}."
    return {
        "round": one.round,
        "title": f"{words.peers(one.leavers)} left" if one.leavers else "edges changed",
        "pictures": tuple(graphs.change(one, width, f"graph-{place}-{side}") for width, side in ((svg.WIDE, "w"), (svg.NARROW, "n"))),
        "caption": caption + (f" Only the surroundings are drawn; {words.integer(hidden)} peers further away are not." if hidden else ""),
    }


SECTION = Section("graph", "Graph", "The graph, before and after", 50, TEMPLATE, _view)
