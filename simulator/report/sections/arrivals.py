"""Rows that arrived: how each peer took them in, and whether all is as if it had been given them before training."""

from __future__ import annotations

from typing import Any

from simulator.report import words
from simulator.report.contract import Section, TaskPage
from simulator.report.model import ReportData

MOST_ARRIVALS = 60

TEMPLATE = """<p>An arrival is exact where the peer ends, byte for byte, as in a run of the same plan in which the rows reached it before
its first round. What was deleted of them later is judged as every other deletion is.</p>
<div class="scroll"><table>
<thead><tr><th>round</th><th>peer</th><th>rows</th><th class="text">method</th><th>gradient steps</th><th>time</th>
<th class="text">as if there before training</th></tr></thead>
<tbody>{% for row in rows %}<tr><td>{{ row.data.round }}</td><td>{{ row.data.peer }}</td><td>{{ w.integer(row.data.rows) }}</td>
<td class="text">{{ row.data.method }}</td><td>{{ w.integer(row.data.gradient_steps) }}</td><td>{{ w.seconds(row.data.seconds) }}</td>
<td class="text"><span class="chip {{ row.verdict[0] }}">{{ row.verdict[1] }}</span></td></tr>
{% endfor %}</tbody></table></div>
{% if hidden %}<p class="note">{{ hidden }} more arrivals are in results.json.</p>{% endif %}
{% if notes %}<ul class="note">{% for line in notes %}<li>{{ line }}</li>{% endfor %}</ul>{% endif %}
"""


def _view(data: ReportData, page: TaskPage) -> dict[str, Any] | None:
    if not data.arrivals:
        return None
    shown = data.arrivals[:MOST_ARRIVALS]
    return {
        "rows": [{"data": one, "verdict": words.arrived(one)} for one in shown],
        "hidden": len(data.arrivals) - len(shown),
        "notes": list(dict.fromkeys(note for one in shown for note in one.notes)),
    }


SECTION = Section("arrivals", "Arrivals", "Rows that arrived", 25, TEMPLATE, _view)
