"""The section on the timeline: the task's charts by round, then the events."""

from __future__ import annotations

from typing import Any

from simulator.report import curves, words
from simulator.report.contract import Section, TaskPage
from simulator.report.model import ReportData

MOST_EVENTS = 60
MOST_LINES = 8

TEMPLATE = """{{ parts }}
{% if events %}<ol class="events">
{% for row in events %}<li><span class="mark{{ ' forgets' if row.forgets }}">{{ row.mark }}</span>
<div><span class="round">Round {{ row.round }}</span><ul>{% for line in row.lines %}<li>{{ line }}</li>{% endfor %}</ul></div></li>
{% endfor %}</ol>
{% if hidden %}<p class="note">{{ hidden }} more rounds with events are in the ledger.</p>{% endif %}
{% else %}<p>No event: the federation ran as it began.</p>{% endif %}
"""


def _view(data: ReportData, page: TaskPage) -> dict[str, Any]:
    rows = [_row(data, page, number, mark) for number, mark in curves.marks(data).items()]
    return {"events": rows[:MOST_EVENTS], "hidden": max(len(rows) - MOST_EVENTS, 0)}


def _row(data: ReportData, page: TaskPage, number: int, mark: int) -> dict[str, Any]:
    """Return the events of a round."""
    events = [event for event in data.events if event.round == number]
    lines = [page.sentence(event) for event in events[:MOST_LINES]]
    lines += [f"and {words.integer(len(events) - MOST_LINES)} more"] if len(events) > MOST_LINES else []
    return {"round": number, "mark": mark, "forgets": any(event.do in curves.FORGETTING for event in events), "lines": lines}


SECTION = Section("timeline", "Events", "What happened", 10, TEMPLATE, _view)
