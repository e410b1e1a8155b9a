"""The section on membership inference: how well an attacker distinguishes erased rows from unused ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from simulator.report import svg, words
from simulator.report.contract import Section, TaskPage
from simulator.report.model import Figure, ReportData
from simulator.report.outcomes import ErasureRow

TEMPLATE = """<h3>Membership inference</h3>
{{ picture(chart, "How often a row that had to go looks more familiar to the models than a fresh row of the same class. "
  ~ "What counts is the distance to the run in which the rows never were, not to 0.5.") }}
"""

Areas = tuple[float | None, float | None, float | None]


def _areas(row: ErasureRow) -> Areas:
    """Return the attack's areas under the curve for an erasure: of the run, of the counterfactual, and without any forgetting."""
    as_run, never, nothing = (one.audited.get("mia_auc") for one in (row.outcome, row.retrained, row.nothing))
    return as_run, never, nothing


def _attacked(data: ReportData) -> list[ErasureRow]:
    """Return the erasures with any measurement."""
    return [row for row in data.erasures if any(area is not None for area in _areas(row))]


def _view(data: ReportData, page: TaskPage) -> dict[str, Any] | None:
    return {"chart": tuple(_drawn(data, width) for width in (svg.WIDE, svg.NARROW))} if _attacked(data) else None


def _figures(data: ReportData) -> Sequence[Figure]:
    """Return the attacker's advantage over the counterfactual, a mean over erasures, and the same without any forgetting."""

    def gap(pairs: list[tuple[float | None, float | None]]) -> str:
        known = [found - never for found, never in pairs if found is not None and never is not None]
        if not known:
            return words.NOT_MEASURED
        mean = math.fsum(known) / len(known)
        return "0.0" if mean == 0 else f"{mean:+.3f}".replace("-", "\u2212")

    areas = [_areas(row) for row in data.erasures]
    left = gap([(as_run, never) for as_run, never, _ in areas])
    nothing = gap([(nothing, never) for _, never, nothing in areas])
    return [Figure("attacker\u2019s gain", left, f"had nothing been done {nothing}")]


def _drawn(data: ReportData, width: float) -> str:
    """Draw the attack's areas under the curve as bars that start at chance (0.5)."""
    rows = _attacked(data)
    with mpl.rc_context(svg.STYLE):
        fig = svg.figure(width, 0.75 + 0.62 * len(rows))
        axes = fig.subplots()
        ends = [area for row in rows for area in _areas(row) if area is not None]
        for place, row in enumerate(rows):
            looks = ((svg.ENSEMBLE, ""), (svg.QUIET, ""), (svg.MAIN, "/////"))
            for step, (area, (colour, hatch)) in enumerate(zip(_areas(row), looks, strict=True)):
                _attack_bar(axes, place + (step - 1) * 0.26, area, colour, hatch)
        axes.axvline(0.5, color=svg.INK, linewidth=1)
        axes.grid(visible=False)
        axes.grid(visible=True, axis="x")
        axes.set_xlim(min([0.42, *(end - 0.08 for end in ends)]), max([0.68, *(end + 0.08 for end in ends)]))
        axes.set_yticks(range(len(rows)), [f"round {row.round}\n{words.short(row)}" for row in rows])
        axes.set_ylim(len(rows) - 0.45, -0.55)
        axes.set_xlabel("area under the curve (0.5 = a coin toss)")
        axes.legend(
            handles=[
                Patch(facecolor=svg.ENSEMBLE, label="as run"),
                Patch(facecolor=svg.QUIET, label="never there"),
                Patch(facecolor="none", edgecolor=svg.MAIN, hatch="/////", label="did nothing"),
            ],
            loc="lower left",
            bbox_to_anchor=(0, 1.0),
            ncols=3,
            frameon=False,
            fontsize=8.5,
            borderaxespad=0.2,
            handlelength=1.3,
            columnspacing=1.0,
            handletextpad=0.5,
        )
        return svg.inline(fig, f"attack-{'w' if width > 5 else 'n'}", "Membership inference on the erased rows")


def _attack_bar(axes: Axes, y: float, value: float | None, colour: str, hatch: str) -> None:
    if value is None:
        axes.text(0.503, y, words.NOT_MEASURED, fontsize=7, color=svg.MUTED, va="center")
        return
    fill: dict[str, Any] = {"color": "none", "edgecolor": colour, "hatch": hatch} if hatch else {"color": colour}
    axes.barh(y, value - 0.5, left=0.5, height=0.22, linewidth=0.8 if hatch else 0, **fill)
    right = value >= 0.5
    axes.annotate(
        words.auc(value),
        (value, y),
        (4 if right else -4, 0),
        textcoords="offset points",
        fontsize=7.5,
        color=svg.INK,
        va="center",
        ha="left" if right else "right",
    )


SECTION = Section("membership_inference", "", "Membership inference", 21, TEMPLATE, _view, within="erasures", figures=_figures)
