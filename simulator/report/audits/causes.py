"""The section on causes: what made the models fail on validation rows, and the events to paste."""

from __future__ import annotations

from typing import Any

from simulator.report.contract import Section, TaskPage
from simulator.report.model import ReportData

TEMPLATE = """<p>Training rows are ranked by how much forgetting them would lower, to first order, the loss of the validation rows that a
model gets wrong. A score is that fall, in nats. The ranking has been chosen on validation rows: only test rows say what a deletion does,
and deleting rows that are right but rare harms.</p>
<pre class="scroll">{{ text }}</pre>
"""


def _view(data: ReportData, page: TaskPage) -> dict[str, Any] | None:
    lines = dict(data.examined).get("causes")
    return {"text": "\n".join(lines)} if lines else None


SECTION = Section("causes", "Causes", "What made models fail", 27, TEMPLATE, _view)
