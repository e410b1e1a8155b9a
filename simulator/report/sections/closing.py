"""The sections at the end of the page: expectations, incidents, glossary, scenario."""

from __future__ import annotations

from typing import Any

from simulator.report.contract import Section, TaskPage
from simulator.report.model import ReportData

MOST_INCIDENTS = 50

EXPECTED = """<ul class="checks">{% for one in data.expectations %}<li class="{{ 'passed' if one.passed else 'failed' }}">{{ one.text }}
<span class="{{ 'good' if one.passed else 'bad' }}">{{ 'met' if one.passed else 'failed' }}</span>
{%- if one.found %} <span class="note">found: {{ one.found }}</span>{% endif %}</li>
{% endfor %}</ul>
"""

HAPPENED = """{% if incidents %}<ul>{% for one in incidents %}<li>Round {{ one.round }}: {{ one.text }}</li>{% endfor %}</ul>
{% if hidden %}<p class="note">{{ hidden }} more are in the ledger.</p>{% endif %}
{% else %}<p>None: every message was answered and no worker had to be restarted.</p>{% endif %}
"""

TERMS = """<dl class="terms">
<dt>exact</dt><dd>All that remains is bit for bit what it would be had the data never been there. Said only where the measured
difference is 0.0.</dd>
{% if data.given %}<dt>given</dt><dd>What exact takes as given, the same in the run that never had the data:
<ul>{% for one in data.given %}<li>{{ one }}</li>{% endfor %}</ul></dd>
{% endif %}{% for term, meaning in data.terms %}<dt>{{ term }}</dt><dd>{{ meaning }}</dd>
{% endfor %}<dt>final evaluation</dt><dd>After the last round {{ "every" if data.pooled else "the last seeds are delivered and every" }}
peer that is still there answers the test rows once more.</dd>
<dt>limits</dt><dd>All this concerns the bytes under the federation\u2019s control. A copy that somebody took before the request stays a
copy, and who sees the models before and after may learn more than from either alone. {{
"The server sees what every peer sends" if data.pooled
else "The relay sees all seeds: it simulates a topology, not a network without trust" }}.</dd>
</dl>
"""


def _incidents(data: ReportData, page: TaskPage) -> dict[str, Any]:
    return {"incidents": data.incidents[:MOST_INCIDENTS], "hidden": max(len(data.incidents) - MOST_INCIDENTS, 0)}


def _always(data: ReportData, page: TaskPage) -> dict[str, Any]:
    return {}


def _expected(data: ReportData, page: TaskPage) -> dict[str, Any] | None:
    return {} if data.expectations else None


EXPECTATIONS = Section("expectations", "Expectations", "Expectations", 90, EXPECTED, _expected)
INCIDENTS = Section("incidents", "Incidents", "Incidents", 100, HAPPENED, _incidents)
READING = Section("reading", "", "How to read this", 110, TERMS, _always)
SCENARIO = Section("scenario", "Scenario", "The scenario", 120, "<pre>{{ data.scenario }}</pre>", _always)
