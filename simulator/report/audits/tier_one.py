"""The section on audits by shadow models: per erasure and audit the method, retraining again, doing nothing, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from simulator.audits.contract import Column
from simulator.audits.verdicts import Ends, Judged, all_judged, by_shadows, told
from simulator.report import words
from simulator.report.contract import Section, TaskPage
from simulator.report.model import ReportData
from simulator.report.outcomes import ErasureRow, Outcome

TEMPLATE = """<h3>Compared with many retrained models</h3>
<p>Shadow models trained, forgot and trained on as each main model did; as many were trained without the rows. A method passes where its
interval overlaps that of retrained models against retrained ones, and is apart from that of doing nothing; where it overlaps both,
nothing is decided. No audit proves more than that it found nothing. Intervals are over models and rows, those of relearning,
anamnesis, ignorance and time to forget over models alone. An audit without power would not fail a method that did nothing, or misses
a planted shift of one standard deviation. Audits without a planted shift do something to the models, and have no objection or fail;
their threshold is of the distance to retrained models.</p>
<div class="scroll"><table class="many">
<thead><tr><th></th><th>as run</th><th>retrained again</th><th>did nothing</th><th>threshold</th><th>planted shift</th>
<th></th></tr></thead>
{% for group in groups %}<tbody>
<tr class="group"><th colspan="7" scope="rowgroup"><div>{{ group.subject }}</div></th></tr>
{% for row in group.rows %}<tr><th scope="row">{{ row.heading }}</th>{% for text in row.texts %}{{ cell(text) }}{% endfor %}
<td><span class="chip {{ row.level }}">{{ row.verdict }}</span></td></tr>
{% if row.more %}<tr class="aside"><td colspan="7">{{ row.more }}</td></tr>{% endif %}
{% endfor %}</tbody>{% endfor %}
</table></div>
{% if spreads %}<ul class="note">{% for line in spreads %}<li>{{ line }}</li>{% endfor %}</ul>{% endif %}
"""

_LEVELS = {"passes": "good", "fails": "bad", "undecided": "open", "no power": "open", "no objection": "open"}

_OWN = ("_low", "_high", "_threshold", "_planted", "_models", "_rows")
"""Suffixes of the figures that the table or its notes show by themselves."""


def _flat(row: ErasureRow) -> dict[str, Any]:
    """Return the figures of an erasure by their names in the results."""
    others: tuple[tuple[Outcome | None, str], ...] = ((row.again, "_again"), (row.nothing, "_nothing"))
    beside = {f"{name}{suffix}": value for one, suffix in others if one is not None for name, value in one.audited.items()}
    return {**beside, **row.outcome.audited}


def _view(data: ReportData, page: TaskPage) -> Mapping[str, Any] | None:
    specs = by_shadows()
    found = [(row, [one for _, one in all_judged(list(specs), [_flat(row)])]) for row in data.erasures]
    groups = [
        {"subject": f"Round {row.round}: {words.subject(row)}", "rows": [_told(one, specs[one.name].columns, _flat(row)) for one in every]}
        for row, every in found
        if every
    ]
    return {"groups": groups, "spreads": [line for name in specs for line in _spreads(name, found)]} if groups else None


def _told(one: Judged, columns: Sequence[Column], figures: Mapping[str, Any]) -> dict[str, Any]:
    main, *others = columns
    more = [column for column in others if column.name.removeprefix(one.name) not in _OWN]
    told = [f"{column.heading.removeprefix(f'{main.heading}, ')} {_number(figures.get(column.name))}" for column in more]
    return {
        "heading": f"{main.heading}, {main.unit}",
        "texts": [
            *(_interval(ends) for ends in (one.method, one.again, one.nothing)),
            _number(one.threshold),
            "" if one.planted is None else _number(one.planted),
        ],
        "verdict": one.verdict,
        "level": _LEVELS[one.verdict],
        "more": _counted(one, figures) + (f"As run: {', '.join(told)}." if told else ""),
    }


def _counted(one: Judged, figures: Mapping[str, Any]) -> str:
    """Return over how many models and rows an audit counted, where it tells."""
    models, rows = (figures.get(f"{one.name}{suffix}") for suffix in ("_models", "_rows"))
    if models is None or rows is None:
        return ""
    return f"{models:.0f} models of each kind" + (f", {rows:.0f} rows. " if rows > 1 else ". ")


def _spreads(name: str, found: list[tuple[ErasureRow, list[Judged]]]) -> Iterator[str]:
    """Yield a line on the spread over peers of an audit that judged more than one erasure."""
    pairs = [(row, one) for row, every in found for one in every if one.name == name]
    subjects = [f"{words.subject(row)}, round {row.round}" for row, _ in pairs]
    yield from told(name.replace("_", " "), [one for _, one in pairs], subjects)


def _interval(ends: Ends) -> str:
    return f"{_number(ends[0])} [{_number(ends[1])}, {_number(ends[2])}]"


def _number(value: float | None) -> str:
    return "not resolvable" if value is None else f"{value:.3f}".replace("-", "\u2212")


SECTION = Section("tier_one", "", "Compared with many retrained models", 22, TEMPLATE, _view, within="erasures")
