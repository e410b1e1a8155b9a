"""The section on forgetting: every erasure and the runs with which it is compared, with costs and figures of audits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from simulator.report import words
from simulator.report.contract import Section, TaskPage
from simulator.report.model import ReportData
from simulator.report.outcomes import AuditColumn, ErasureRow, Outcome
from simulator.runs.shown import counted

MOST_ERASURES = 60

TEMPLATE = """{% if erasures %}
<p>Each erasure stands beside two other runs of the same plan: one in which the data never existed, and one in which nothing was
done about the request. The difference is the largest absolute one over all parameters that remain and all answers of the
{{ data.together }}{{ "s" if not data.pooled }}.
{%- if data.varied %} Where a method is not exact, or the audit asked for it, the run just before the request stands there too, and the run
without the data once more, its training keyed otherwise: by so much retraining itself varies.{% endif %}</p>
<div class="scroll"><table class="many">
<thead><tr><th></th>{% for heading in headings %}<th>{{ heading }}</th>{% endfor %}</tr></thead>
{% for row in erasures %}<tbody>
<tr class="group"><th colspan="{{ headings|length + 1 }}" scope="rowgroup"><div>Round {{ row.data.round }}: {{ w.subjects(row.all) }}
<span>method: {{ row.data.method }}</span> <span class="chip {{ row.verdict[0] }}">{{ row.verdict[1] }}</span></div></th></tr>
{% for one in row.outcomes %}<tr{{ ' class="aside"'|safe if one.aside }}><th scope="row">{{ one.label }}</th>
{% for text in one.texts %}{{ cell(text) }}{% endfor %}</tr>
{% endfor %}</tbody>{% endfor %}
</table></div>
{% if hidden %}<p class="note">{{ hidden }} more erasures are in results.json.</p>{% endif %}
{% if empty %}<p class="note">Not measured in this run: {{ w.listing(empty) }}.</p>{% endif %}
{% if remarks %}<ul class="note">{% for line in remarks %}<li>{{ line }}</li>{% endfor %}</ul>{% endif %}
{{ parts }}
{% else %}<p>{{ w.undone(data) or "This scenario asked for nothing to be forgotten." }}</p>{% endif %}
"""

COSTS: tuple[tuple[int, str, Callable[[Outcome], str]], ...] = (
    (10, "gradient steps", lambda one: words.integer(one.gradient_steps)),
    (20, "time", lambda one: words.seconds(one.seconds)),
    (30, "bytes", lambda one: words.size(one.bytes)),
    (40, "receipts of holders", words.receipts),
)
"""Order, heading and text of the columns of costs."""

_NOTHING = (words.NOT_MEASURED, words.NO_RECEIPTS, words.NOTHING_HELD)
"""Texts of a cell without information."""


def _view(data: ReportData, page: TaskPage) -> dict[str, Any] | None:
    if not data.erasures and not data.waiting and not page.tells_of_no_erasure:
        return None
    shown = data.erasures[:MOST_ERASURES]
    known = sorted([*COSTS, *map(_column, data.columns)], key=lambda column: column[0])
    columns = [column for column in known if not _empty(column[2], shown)]
    reasons = [f"{audit}, {words.subject(row)}, round {row.round}: {reason}" for row in shown for audit, reason in row.not_judged]
    notes = [f"{row.method}, {words.subject(row)}, round {row.round}: {note}" for row in shown for note in row.notes]
    return {
        "headings": [heading for _, heading, _ in columns],
        "erasures": _folded([_row(row, [text for *_, text in columns]) for row in shown]),
        "empty": [heading for _, heading, text in known if heading not in [one for _, one, _ in columns] and text is not words.receipts],
        "hidden": len(data.erasures) - len(shown),
        "remarks": [*notes, *reasons],
    }


def _column(column: AuditColumn) -> tuple[int, str, Callable[[Outcome], str]]:
    """Return order, heading and text of an audit's column."""

    def text(outcome: Outcome) -> str:
        if column.name in outcome.not_judged:
            return words.NOT_JUDGED
        return counted(column.name, column.counts, outcome.audited, words.FORMATS[column.format], of=column.format == "share")

    return column.order, column.heading, text


def _outcomes(row: ErasureRow) -> list[tuple[str, Outcome]]:
    """Return the erasure's own outcome, then those of the runs with which it is compared, with their labels."""
    known = (
        ("as run", row.outcome),
        ("never there (retrained)", row.retrained),
        ("retrained again", row.again),
        ("did nothing", row.nothing),
        ("original", row.original),
    )
    return [(label, outcome) for label, outcome in known if outcome is not None]


def _empty(text: Callable[[Outcome], str], rows: Sequence[ErasureRow]) -> bool:
    """Return whether a column has no information on any run."""
    return bool(rows) and all(text(outcome) in _NOTHING for row in rows for _, outcome in _outcomes(row))


def _folded(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows, those grouped that differ only in the peer."""
    groups: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        one: ErasureRow = row["data"]
        told = tuple((outcome["label"], *outcome["texts"]) for outcome in row["outcomes"])
        groups.setdefault((one.round, one.kind, one.method, one.guarantee, row["verdict"], told), []).append(row)
    return [group[0] | {"all": [row["data"] for row in group]} for group in groups.values()]


def _row(row: ErasureRow, texts: list[Callable[[Outcome], str]]) -> dict[str, Any]:
    told = [
        {"label": label, "aside": outcome is not row.outcome, "texts": [text(outcome) for text in texts]}
        for label, outcome in _outcomes(row)
    ]
    return {"data": row, "verdict": words.verdict(row), "outcomes": told}


SECTION = Section("erasures", "Forgetting", "Was it forgotten?", 20, TEMPLATE, _view)
