"""Confidence by agreement between the members of ensembles and between shards, with its calibration curve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from simulator.report import svg, words

Confidence = Mapping[str, Mapping[str, Any]]

TEMPLATE = """<p>An answer is the surer, the larger the share of members that name its class: main model and neighbours\u2019 seeds
of an ensemble, or the shards of a main model. The share is calibrated where as many of the answers are right, which is the thin line; the
calibration error is the mean distance to it. All peers are asked for the same test rows, at the end of the run.</p>
{{ picture(chart, "Share of right answers by agreement; larger dots stand for more answers.") }}
<div class="scroll"><table>
<thead><tr><th class="text">of</th><th>peers</th><th>answers</th><th>mean agreement</th><th>right</th><th>calibration error</th>
<th class="text">least and most of the peers</th></tr></thead>
<tbody>{% for row in rows %}<tr><td class="text">{{ row.name }}</td><td>{{ row.peers }}</td><td>{{ w.integer(row.answers) }}</td>
<td>{{ w.percent(row.agreement) }}</td><td>{{ w.percent(row.accuracy) }}</td><td>{{ w.percent(row.error) }}</td>
<td class="text">{{ w.percent(row.least) }} .. {{ w.percent(row.most) }}</td></tr>
{% endfor %}</tbody></table></div>
"""

_STYLES = {"ensembles": (svg.ENSEMBLE, "-"), "shards": (svg.MAIN, (0, (4, 2)))}


def view(confidence: Confidence) -> dict[str, Any]:
    """Return the values of the template's variables."""
    rows = [
        {
            "name": name,
            **{key: table[key] for key in ("answers", "agreement", "accuracy", "error")},
            "peers": len(table["peers"]),
            "least": min(one["error"] for one in table["peers"]),
            "most": max(one["error"] for one in table["peers"]),
        }
        for name, table in confidence.items()
    ]
    return {"rows": rows, "chart": tuple(chart(confidence, width) for width in (svg.WIDE, svg.NARROW))}


def chart(confidence: Confidence, width: float) -> str:
    """Draw the share of right answers against the share of agreeing members."""
    with mpl.rc_context(svg.STYLE):
        fig = svg.figure(width, 3.2)
        axes = fig.subplots()
        axes.plot([0, 1], [0, 1], color=svg.MUTED, linewidth=0.9, zorder=1)
        for name, table in confidence.items():
            _curve(axes, name, table)
        axes.set_xlim(0, 1.04)
        axes.set_ylim(0, 1.04)
        axes.set_xlabel("share of members that agree")
        axes.set_ylabel("right")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2 if width > 5 else 1, frameon=False, fontsize=8.5, borderaxespad=0.2)
        return svg.inline(fig, f"confidence-{'w' if width > 5 else 'n'}", f"Calibration of agreement of {' and '.join(confidence)}")


def _curve(axes: Axes, name: str, table: Mapping[str, Any]) -> None:
    colour, dashes = _STYLES[name]
    agreement, accuracy, answers = ([point[key] for point in table["curve"]] for key in ("agreement", "accuracy", "answers"))
    label = f"{name}, calibration error {words.percent(table['error'])}"
    axes.plot(agreement, accuracy, color=colour, linestyle=dashes, linewidth=1.6, label=label, zorder=3)
    axes.scatter(agreement, accuracy, s=[12 + 60 * count / max(answers) for count in answers], color=colour, zorder=4)
