"""What was certified: the numbers of every certificate, what they mean, and what they do not cover."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.report import words
from simulator.report.contract import Section, TaskPage
from simulator.report.model import ReportData
from simulator.report.outcomes import ErasureRow

TEMPLATE = """{% if rows %}<p>certified(&epsilon;, &delta;) says: whatever is concluded from the model after the request would have
been concluded from one trained without the rows with a probability that differs by a factor of at most e<sup>&epsilon;</sup>,
and by &delta; besides. It rests on a secret perturbation of scale &sigma;, drawn before training. The residual is the length of the
gradient that the rows left behind: while it stays within the budget, the perturbation hides it; where it does not, the model
is trained again with a fresh one. <code>lethe verify</code> computes the residual again from the rows that remain.</p>
<div class="scroll"><table class="many">
<thead><tr>{% for heading in headings %}<th>{{ heading }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in rows %}<tr><th scope="row">{{ row[0] }}</th>{% for text in row[1:] %}<td>{{ text }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
<p>What a certificate does not cover:</p><ul>
<li>requests chosen after seeing a model, and whoever sees the model before a request and after it;</li>
<li>settings that were tuned on data with the rows in them;</li>
<li>the secret: it is as secret as the run's seed, and a run directory that is published discloses it;</li>
<li>that the bound, where it is measured, depends on the perturbation that was drawn, and with it the decision to train again.</li></ul>
{% endif %}{% if others %}<ul class="note">{% for line in others %}<li>{{ line }}</li>{% endfor %}</ul>{% endif %}
"""

RESIDUALS = ("residual", "shared_residual")
"""Kinds of certificates that bound a residual: of one peer's model, and of one over all peers."""

HEADINGS = (
    "request",
    "claim",
    "residual at most",
    "budget",
    "bounded by",
    "\u03c3",
    "rows left",
    "trained again",
    "commitment to the rows left",
)


def _view(data: ReportData, page: TaskPage) -> dict[str, Any] | None:
    certified = [(row, row.certificate) for row in data.erasures if row.certificate is not None]
    if not certified:
        return None
    rows = [_cells(row, told) for row, told in certified if told.get("kind") in RESIDUALS]
    others = [f"{_named(row)}: {_listed(told)}" for row, told in certified if told.get("kind") not in RESIDUALS]
    return {"headings": HEADINGS, "rows": rows, "others": others}


def _cells(row: ErasureRow, told: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of a certificate that bounds a residual."""
    numbers = f"{told['bound']:.2g}", f"{told['budget']:.2g}", str(told["certifier"]).replace("_", " "), f"{told['sigma']:g}"
    again = words.plural(int(told["draw"]), "time") if told["draw"] else "never"
    return _named(row), row.guarantee, *numbers, words.integer(int(told["rows"])), again, str(told["commitment"])[:16]


def _named(row: ErasureRow) -> str:
    return f"round {row.round}: {words.subject(row)}"


def _listed(told: Mapping[str, Any]) -> str:
    """Return a certificate of another kind as it stands."""
    return ", ".join(f"{name} = {value}" for name, value in told.items())


SECTION = Section("certificates", "Certificates", "What was certified", 22, TEMPLATE, _view)
