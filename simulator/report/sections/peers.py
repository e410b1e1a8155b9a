"""The section on each peer: model, rows, and metrics of the task."""

from __future__ import annotations

from typing import Any

from simulator.report import words
from simulator.report.contract import Section, TaskPage
from simulator.report.model import PeerRow, ReportData

MOST_PEERS = 60
MOST_CLASSES = 20

TEMPLATE = """<p>{{ page.about_peers(data) }}
{%- if mixes %} The bars show that mix, one a class: {{ w.listing(data.classes, 20) }}.{% endif %}</p>
<div class="scroll"><table>
<thead><tr><th>peer</th><th class="text">at the end</th><th class="text">{{ page.model }}</th><th>rows</th>
{%- if mixes %}<th class="text">class mix</th>{% endif %}
{% for heading in headings %}<th>{{ heading }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in rows %}<tr><td>{{ row.data.peer }}</td><td class="text">{{ row.data.status }}</td>
<td class="text">{{ row.data.main }}</td><td>{{ w.integer(row.data.rows) }}</td>
{%- if mixes %}<td class="text"><span class="mix" role="img" aria-label="rows by class: {{ row.data.counts|join(', ') }}">
{%- for share in row.mix %}<i style="height:{{ share }}%"></i>{% endfor %}</span></td>{% endif %}
{%- for text in row.texts %}{{ cell(text) }}{% endfor %}</tr>
{% endfor %}</tbody></table></div>
{% if hidden %}
<p class="note">{{ w.integer(hidden) }} more peers are in the ledger; those with events are shown first.</p>{% endif %}
"""


def _view(data: ReportData, page: TaskPage) -> dict[str, Any]:
    shown = _shown(data)
    known = [*page.peer_columns(data), ("stored with it", lambda row: words.size(row.stored))]
    columns = [(heading, text) for heading, text in known if any(text(row) != words.NOT_MEASURED for row in shown)]
    return {
        "headings": [heading for heading, _ in columns],
        "rows": [{"data": row, "mix": _mix(row), "texts": [text(row) for _, text in columns]} for row in shown],
        "mixes": 0 < len(data.classes) <= MOST_CLASSES,
        "hidden": max(len(data.peers) - MOST_PEERS, 0),
    }


def _shown(data: ReportData) -> list[PeerRow]:
    """Return the peers to show, up to a limit: those with events, then the first ones."""
    touched = {peer for event in data.events for peer in event.peers} if len(data.peers) > MOST_PEERS else set()
    first = sorted(data.peers, key=lambda row: (row.peer not in touched, row.peer))[:MOST_PEERS]
    return sorted(first, key=lambda row: row.peer)


def _mix(row: PeerRow) -> list[int]:
    """Return the heights of the bars of a peer's class distribution, in percent of its largest class."""
    most = max(row.counts, default=0)
    return [round(100 * count / most) if most else 0 for count in row.counts]


SECTION = Section("peers", "Peers", "Peer by peer", 80, TEMPLATE, _view)
