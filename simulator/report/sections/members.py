"""The section on the presence of peers by round."""

from __future__ import annotations

from typing import Any

from simulator.report import curves, svg
from simulator.report.contract import Section, TaskPage
from simulator.report.model import ReportData

TEMPLATE = """{{ picture(chart, "One row a peer, one column a round." if not hidden else
  "One row a peer, one column a round; " ~ hidden ~ " peers are left out, those with events first to stay.") }}
"""


def _view(data: ReportData, page: TaskPage) -> dict[str, Any]:
    events = [event for event in data.events if page.befell_peers(event)]
    chart = tuple(curves.membership(data, events, width) for width in (svg.WIDE, svg.NARROW))
    return {"chart": chart, "hidden": len(data.peers) - len(curves.shown_peers(data))}


SECTION = Section("members", "Members", "Who was there", 40, TEMPLATE, _view)
