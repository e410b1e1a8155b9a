"""The section on the machine of a run, and on the conditions under which bits repeat."""

from __future__ import annotations

from typing import Any

from simulator.report.contract import Section, TaskPage
from simulator.report.model import ReportData

TEMPLATE = """<p>The same scenario gives the same bits, on every engine and with any number of workers, where processors take the same
instructions and libraries are of the same versions; nothing is promised beyond that. {% if data.machine.level -%}
This run pinned its instructions (<code>compute.level = "{{ data.machine.level }}"</code>): it repeats on processors of one maker that have
them.{% else -%}
This run took what its processor has; <code>compute.level</code> would have pinned it to what others have, too.{% endif %}</p>
<dl class="terms">{% for what, value in data.machine.facts %}<dt>{{ what }}</dt><dd>{{ value }}</dd>
{% endfor %}</dl>
"""


def _view(data: ReportData, page: TaskPage) -> dict[str, Any]:
    return {}


SECTION = Section("machine", "Machine", "Where it was computed", 115, TEMPLATE, _view)
