"""The section on the costs of rounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.report import curves, svg, words
from simulator.report.contract import Section, TaskPage
from simulator.report.model import ReportData, RoundRow

MOST_ROUNDS = 60

TEMPLATE = """{% if chart %}{{ picture(chart, "Overlay counts what parties share (seeds, updates, averages), once for each receiver; "
  ~ "physical counts all bytes that the engine carried, states and answers included.") }}{% endif %}
<div class="scroll"><table>
<thead><tr>{% for heading in headings %}<th>{{ heading }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in rounds %}<tr><td>{{ row.round }}</td>
<td>{{ row.live }}</td>{% for text in row.texts %}{{ cell(text) }}{% endfor %}</tr>
{% endfor %}</tbody></table></div>
{% if hidden %}<p class="note">{{ hidden }} rounds between the first and the last ones are left out.</p>{% endif %}
"""

COLUMNS: list[tuple[str, Callable[[RoundRow], str]]] = [
    ("gradient steps", lambda row: words.integer(row.gradient_steps)),
    ("time", lambda row: words.seconds(row.seconds)),
    ("overlay", lambda row: words.size(row.bytes_overlay)),
    ("physical", lambda row: words.size(row.bytes_physical)),
]


def _view(data: ReportData, page: TaskPage) -> dict[str, Any]:
    carried = any(row.bytes_overlay is not None or row.bytes_physical is not None for row in data.rounds)
    shown = _shown(data.rounds)
    known = [*page.round_columns(data), *COLUMNS]
    columns = [(heading, text) for heading, text in known if any(text(row) != words.NOT_MEASURED for row in shown)]
    return {
        "chart": tuple(curves.costs(data, width) for width in (svg.WIDE, svg.NARROW)) if carried else None,
        "headings": ["round", "live peers", *(heading for heading, _ in columns)],
        "rounds": [{"round": row.round, "live": row.live, "texts": [text(row) for _, text in columns]} for row in shown],
        "hidden": max(len(data.rounds) - MOST_ROUNDS, 0),
    }


def _shown(rounds: tuple[RoundRow, ...]) -> list[RoundRow]:
    """Return all rounds, or the first and the last ones if there are too many."""
    if len(rounds) <= MOST_ROUNDS:
        return list(rounds)
    return [*rounds[: MOST_ROUNDS // 2], *rounds[-MOST_ROUNDS // 2 :]]


SECTION = Section("costs", "Costs", "What it cost", 70, TEMPLATE, _view)
