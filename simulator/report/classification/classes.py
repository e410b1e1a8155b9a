"""Precision, recall and F1 by class, the worst class, and which classes are taken for which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST_PEERS = 60
MOST_CLASSES = 12
"""With more classes there is no table of which are taken for which."""

TEMPLATE = """<p>Of the rows that are called a class, precision is the share that is of it; of the rows of a class, recall is the share
that is called so; F1 is their harmonic mean. Means over classes count every class alike. All peers are asked for the same test rows,
at the end of the run{% if several %}; figures are means over peers{% endif %}.</p>
<div class="scroll"><table>
<thead><tr><th class="text">of</th><th>precision</th><th>recall</th><th>F1</th><th class="text">worst class, by recall</th></tr></thead>
<tbody>{% for row in models %}<tr><td class="text">{{ row.name }}</td>
<td>{{ w.percent(row.precision) }}</td><td>{{ w.percent(row.recall) }}</td>
<td>{{ w.percent(row.F1) }}</td><td class="text">{{ row.worst.class }}: {{ w.percent(row.worst.recall) }} of {{ row.worst.n }}</td></tr>
{% endfor %}</tbody></table></div>
{% for row in models %}<h3>{{ w.capital(row.name) }}, class by class</h3>
<div class="scroll"><table>
<thead><tr><th class="text">class</th><th>test rows</th><th>precision</th><th>recall</th><th>F1</th></tr></thead>
<tbody>{% for one in row.classes %}<tr><td class="text">{{ one.class }}</td><td>{{ one.n }}</td><td>{{ w.percent(one.precision) }}</td>
<td>{{ w.percent(one.recall) }}</td><td>{{ w.percent(one.F1) }}</td></tr>
{% endfor %}</tbody></table></div>
{% if row.confusion %}<p class="note">Rows of a class (down) by the class that they are taken for (across)
{%- if several %}, summed over peers{% endif %}; classes in the order above.</p>
<div class="scroll"><table>
<thead><tr><th class="text">class</th>{% for number in numbers %}<th>{{ number }}</th>{% endfor %}</tr></thead>
<tbody>{% for line in row.confusion %}<tr><td class="text">{{ line.name }}</td>
{% for count in line.counts %}<td>{{ w.integer(count) }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>{% endif %}
{% endfor %}
{% if peers %}<h3>Peer by peer</h3>
<div class="scroll"><table>
<thead><tr><th>peer</th>{% for name in names %}<th>{{ name }}: precision</th><th>recall</th><th>F1</th>{% endfor %}</tr></thead>
<tbody>{% for row in peers %}<tr><td>{{ row.peer }}</td>
{% for name in names %}<td>{{ w.percent(row[name].precision) }}</td><td>{{ w.percent(row[name].recall) }}</td>
<td>{{ w.percent(row[name].F1) }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>{% endif %}
"""


def view(by_class: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the template's variables."""
    models = [{"name": name, **told, "worst": _worst(told), "confusion": _lines(told)} for name, told in by_class["models"].items()]
    peers = by_class["peers"][:MOST_PEERS]
    numbers = range(1, len(models[0]["confusion"]) + 1)
    names = [one["name"] for one in models if peers and one["name"] in peers[0]]
    return {"models": models, "peers": peers, "names": names, "numbers": numbers, "several": len(by_class["peers"]) > 1}


def _worst(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the class with the lowest recall, the first among equals."""
    worst: Mapping[str, Any] = min(told["classes"], key=lambda one: one["recall"])
    return worst


def _lines(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the lines of the confusion matrix with their names; none of many classes, or if some have no test row."""
    names = [one["class"] for one in told["classes"]]
    if len(names) > MOST_CLASSES or len(names) < len(told["confusion"]):
        return []
    return [{"name": f"{number} {name}", "counts": told["confusion"][number - 1]} for number, name in enumerate(names, start=1)]
