"""Compared methods: one table for each request that several methods carried out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from simulator.report import words
from simulator.report.contract import Section, TaskPage
from simulator.report.model import ReportData
from simulator.runs.shown import SETS, count_of, notes_of, sizes_of

TEMPLATE = """<p>Each method carried the same request out, from the same rounds before it, in a run that ends with the round of the request.
Parameters: distance to the retrained model, relative to its norm. Predictions: the share of probability that lies on other classes of
the test rows. Accuracies stand with their 95&nbsp;% intervals over rows. Retrained again is the retrained run with other training keys:
by so much retraining itself varies. Costs are those of the request alone, for the retrained runs those of all rounds; a client epoch is
one pass of a client over the rows that it has left.</p>
{% for one in tables %}<h3>{{ one.title }}</h3>
<div class="scroll"><table class="many">
<thead><tr><th></th>{% for heading in headings %}<th>{{ heading }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in one.rows %}<tr{{ ' class="aside"'|safe if row.aside }}><th scope="row">{{ row.label }}</th>
<td class="text">{% if row.claim %}<span class="chip {{ row.claim[0] }}">{{ row.claim[1] }}</span>{% endif %}</td>
{% for text in row.texts %}{{ cell(text) }}{% endfor %}</tr>
{% endfor %}</tbody></table></div>
<p class="note">Rows: {{ one.sizes }}.</p>
{% if one.notes %}<ul class="note">{% for line in one.notes %}<li>{{ line }}</li>{% endfor %}</ul>{% endif %}
{% endfor %}
"""

HEADINGS = ("guarantee", "parameters", "predictions", *SETS, "gradient steps", "client epochs", "bytes", "time")

_LEVELS = {"proven": "good", "disproved": "bad", "failed": "bad", "measured": "open"}


def _view(data: ReportData, page: TaskPage) -> dict[str, Any] | None:
    return {"headings": HEADINGS, "tables": list(map(_table, data.compared))} if data.compared else None


def _table(one: Mapping[str, Any]) -> dict[str, Any]:
    rows = one["compared"]
    return {
        "title": f"Round {one['round']}: {words.peers(one['peers'])} ({count_of(one)})",
        "rows": list(map(_row, rows)),
        "sizes": ", ".join(f"{name} {words.integer(n)}" for name, n in sizes_of(rows).items()),
        "notes": [f"{row}: {note}" for row, note in notes_of(rows)],
    }


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    claim = "failed" if row["verdict"] == "failed" else row.get("guarantee")
    told = f"{claim}: {row['verdict']}" if row["verdict"] in ("proven", "disproved") else claim
    return {
        "label": row["row"],
        "aside": claim is None,
        "claim": told and (_LEVELS[row["verdict"]], told),
        "texts": [] if row["verdict"] == "failed" else list(_texts(row)),
    }


def _texts(row: Mapping[str, Any]) -> Iterator[str]:
    yield from (words.difference(row[name]) for name in ("parameters", "predictions"))
    yield from (_accuracy(row[name]) for name in SETS)
    if "gradient_steps" in row:
        epochs = f"{row['client_epochs']:.4g}"
        yield from (words.integer(row["gradient_steps"]), epochs, words.size(row["bytes"]), words.seconds(row["seconds"]))
    else:
        yield from ("\u2013",) * 4


def _accuracy(told: Mapping[str, Any] | None) -> str:
    """Return an accuracy with its interval, in percent."""
    if told is None:
        return words.NOT_MEASURED
    return f"{words.percent(told['accuracy'])} ({100 * told['low']:.0f} to {100 * told['high']:.0f})"


SECTION = Section("compare", "Methods", "Methods compared", 23, TEMPLATE, _view)
