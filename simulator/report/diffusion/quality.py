"""The samples of the model at the end, class by class: which are right, and which are taken for which."""

from __future__ import annotations

from typing import Any

from simulator.report.contract import TaskPage
from simulator.report.diffusion import words as diffusion_words
from simulator.report.diffusion.model import Roots
from simulator.report.diffusion.scores import Drawn
from simulator.report.model import ReportData

MOST_CLASSES = 12
"""With more classes there is no table of which are taken for which, and of the classes only those are listed that are drawn worst."""

TEMPLATE = """<p>Samples of the model at the end, by what was asked for: how many the judge recognises, with 95 % intervals over samples
{%- if across %}, and what it takes them for{% endif %}.{% if near %} {{ near }}{% endif %}</p>
<div class="scroll"><table class="many">
<thead><tr><th class="text">asked for</th><th>right</th><th>95 % interval</th><th>samples</th>
{%- for row in across %}<th>{{ row.concept }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in rows %}<tr><th scope="row">{{ row.concept }}</th><td>{{ r.whole(row.share) }}</td>
<td>{{ r.least_ends(row) }}</td><td>{{ row.n }}</td>
{%- for other in across %}<td>{{ row.taken.get(other.concept, "\u2013") }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>{% if hidden %}
<p class="note">The {{ hidden }} other classes, which are drawn no worse, are in results.json.</p>{% endif %}
{% if note %}<p class="note">{{ note }}</p>{% endif %}
"""


def view(data: ReportData, page: TaskPage) -> dict[str, Any] | None:
    """Return the values of the template's variables; None if samples were not counted."""
    roots: Roots = data.own
    if not roots.drawn:
        return None
    every = len(roots.drawn) <= MOST_CLASSES
    rows = roots.drawn if every else sorted(roots.drawn, key=_share)[:MOST_CLASSES]
    counted = any(row.taken for row in rows)
    told = {"rows": rows, "across": rows if every and counted else (), "hidden": len(roots.drawn) - len(rows)}
    found = {**told, "r": diffusion_words, "near": "", "note": ""}
    if roots.near is None:
        return found
    distance, precision, recall = diffusion_words.nearness(roots.near)
    near = f"Fr\u00e9chet distance from real images {distance}, precision {precision}, recall {recall}."
    return {**found, "near": near, "note": diffusion_words.nearness_of(str(roots.near.n))}


def _share(one: Drawn) -> float:
    return one.share
