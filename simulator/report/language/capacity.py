"""The report's figure of what guards do as they become more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from simulator.report import svg
from simulator.report.contract import Section, TaskPage
from simulator.report.model import ReportData

TEMPLATE = """<p>The first guards alone, in the order in which they act, on the global model at the end: of the questions that they protect,
of {{ last.kept }} about records that no guard protects, and of {{ last.public }} public ones. Precision is the share of refused questions
that are protected. Guards differ and questions are few: the curve shows this run, and no law.</p>
{{ picture(chart, "Leaks, precision and false refusals by number of guards.") }}
<div class="scroll"><table><thead><tr><th>guards</th><th>protected</th><th>leaked</th><th>refused</th><th>precision</th>
<th>others refused</th><th>others right</th><th>public refused</th></tr></thead>
<tbody>{% for row in points %}<tr><td>{{ row.guards }}</td><td>{{ row.asked }}</td><td>{{ row.leaked }}</td><td>{{ row.stopped }}</td>
<td>{{ w.percent(row.precision) }}</td><td>{{ row.kept_stopped }}</td><td>{{ row.kept_right }}</td><td>{{ row.public_stopped }}</td></tr>
{% endfor %}</tbody></table></div>
"""

Row = Mapping[str, Any]

_LINES = {
    "leaks": ("leaked", "asked", svg.GONE, "-"),
    "false refusals": ("kept_stopped", "kept", svg.MAIN, (0, (4, 2))),
    "others answered right": ("kept_right", "kept", svg.MUTED, "-"),
}


def _view(data: ReportData, page: TaskPage) -> dict[str, Any] | None:
    told: Mapping[str, Any] = data.own.told
    points = told.get("capacity")
    if not points:
        return None
    return {"points": points, "last": points[-1], "chart": tuple(chart(points, width) for width in (svg.WIDE, svg.NARROW))}


def chart(points: Sequence[Row], width: float) -> str:
    """Draw shares against the number of guards."""
    with mpl.rc_context(svg.STYLE):
        fig = figure(points, width)
        return svg.inline(fig, f"capacity-{'w' if width > 5 else 'n'}", "Leaks, precision and false refusals by number of guards")


def figure(points: Sequence[Row], width: float) -> Figure:
    """Return the figure; where a share is of nothing, its curve has a gap."""
    fig = svg.figure(width, 3.2)
    axes = fig.subplots()
    guards = [point["guards"] for point in points]
    for name, (count, of, colour, dashes) in _LINES.items():
        shares = [point[count] / point[of] if point[of] else float("nan") for point in points]
        axes.plot(guards, shares, color=colour, linestyle=dashes, marker="o", markersize=3, label=name)
    precision = [float("nan") if point["precision"] is None else point["precision"] for point in points]
    axes.plot(guards, precision, color=svg.ENSEMBLE, marker="o", markersize=3, label="precision")
    axes.set_ylim(-0.02, 1.04)
    axes.set_xlabel("guards")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4 if width > 5 else 2, frameon=False, fontsize=8.5, borderaxespad=0.2)
    return fig


CAPACITY = Section("capacity", "Capacity", "What more guards do", 46, TEMPLATE, _view)
