"""Charts of the effect of cut, revival and fill on scores, by variant and as a function of a parameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from server.audit.intervals import wilson
from simulator.report import curves as by_round
from simulator.report import svg
from simulator.report.diffusion import words as diffusion_words
from simulator.report.diffusion.model import VARIANTS, Curve, RevivalRow, Roots, mean_scores
from simulator.report.model import ReportData

CONTROLS = {"random_signs", "true_signs", "neuron_mean"}


@dataclass(frozen=True)
class Line:
    """Style of one series; no two series differ in colour alone."""

    label: str
    colour: str
    marker: str
    dashes: Any = "-"


ACCURACIES = {
    "target": Line("erased concept", svg.ENSEMBLE, "o"),
    "others": Line("other concepts", svg.MUTED, "D", (0, (4, 2))),
    "revived_target": Line("erased concept, revived", svg.GONE, "^", (0, (1, 1.5))),
    "adaptive_target": Line("erased concept after the adaptive attack", svg.MAIN, "s", (0, (5, 1, 1, 1))),
}
AREAS = {
    "entry_auc": Line("entries found", svg.GONE, "^", (0, (1, 1.5))),
    "column_auc": Line("columns found", svg.FRESH, "v", (0, (3, 1, 1, 1, 1, 1))),
}
POLICY_LINES = (
    Line("", svg.MAIN, "o"),
    Line("", svg.MUTED, "s", (0, (4, 2))),
    Line("", svg.ENSEMBLE, "^"),
    Line("", svg.FRESH, "D", (0, (5, 1, 1, 1))),
    Line("", svg.GONE, "v", (0, (1, 1.5))),
    Line("", svg.INK, "X", (0, (3, 1, 1, 1, 1, 1))),
)


def variants(rows: tuple[RevivalRow, ...], width: float, name: str) -> str:
    """Draw the scores of the erased concept (bars) and of the others (diamonds) for every variant, means over the rows."""
    with mpl.rc_context(svg.STYLE):
        fig = svg.figure(width, 2.9)
        axes = fig.subplots()
        for place, variant in enumerate(VARIANTS):
            scores = mean_scores(rows, variant)
            if scores.target is not None:
                style: dict[str, Any] = {"color": "none", "edgecolor": svg.ENSEMBLE, "hatch": "/////", "linewidth": 0.8}
                axes.barh(place, scores.target, height=0.6, **(style if variant in CONTROLS else {"color": svg.ENSEMBLE, "linewidth": 0}))
                _value(axes, scores.target, place, near=scores.others)
            if scores.others is not None:
                axes.plot(scores.others, place, "D", color=svg.MAIN, markersize=6, mec=svg.PAPER, mew=0.9, zorder=5, clip_on=False)
        axes.grid(visible=False)
        axes.grid(visible=True, axis="x")
        axes.set_yticks(range(len(VARIANTS)), [diffusion_words.VARIANTS[variant] for variant in VARIANTS])
        axes.set_ylim(len(VARIANTS) - 0.45, -0.55)
        axes.set_xlim(0, 1.02)
        axes.set_xlabel("share of samples that the judge finds right")
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        handles = [Patch(facecolor=svg.ENSEMBLE, label="erased concept"),
                   Patch(facecolor="none", edgecolor=svg.ENSEMBLE, hatch="/////", label="the same, control"),
                   Line2D([], [], marker="D", color=svg.MAIN, linestyle="none", markersize=6, label="other concepts")]
        _legend(fig, handles, 3 if width > 5 else 2)
        return svg.inline(fig, name, "Accuracy of the erased concept and of the others, by what was done to the weights")


def _value(axes: Axes, value: float, place: int, near: float | None) -> None:
    """Write a bar's value beside its end, or inside it if the other mark is there."""
    inside = near is not None and value > 0.3 and -0.03 < near - value < 0.12
    axes.annotate(diffusion_words.whole(value), (value, place), (-9 if inside else 5, 0), textcoords="offset points",
                  va="center", fontsize=8, ha="right" if inside else "left", color=svg.INK, zorder=6,
                  bbox={"boxstyle": "round,pad=0.15", "facecolor": svg.PAPER, "linewidth": 0})


def losses(data: ReportData, width: float) -> str:
    """Draw the error of the predicted noise on the test images by round, of the peers' own models and of the shared one."""
    rows = data.own.losses
    with mpl.rc_context(svg.STYLE):
        fig = svg.figure(width, 2.7)
        axes = fig.subplots()
        drawn: list[Line2D] = []
        for name, line in (("alone", Line("peers\u2019 own models", svg.MAIN, "s", (0, (4, 2)))),
                           ("together", Line("together", svg.ENSEMBLE, "o"))):
            known = [(row.round, value) for row in rows if (value := getattr(row, name)) is not None]
            if known:
                drawn += axes.plot(*zip(*known, strict=True), color=line.colour, marker=line.marker, markersize=5, linestyle=line.dashes,
                                   linewidth=2, mec=svg.PAPER, mew=0.8, label=line.label, zorder=4)
        axes.set_ylim(0, 1.1 * max([value for row in rows for value in (row.alone, row.together) if value is not None], default=1.0))
        axes.set_ylabel("mean squared error")
        by_round.rounds_axis(axes, [row.round for row in data.rounds])
        by_round.mark_events(axes, data.events, by_round.marks(data))
        _legend(fig, drawn, 2 if width > 5 else 1)
        return svg.inline(fig, f"losses-{'w' if width > 5 else 'n'}", "Error of the predicted noise by round")


def noise(roots: Roots, width: float) -> str:
    """Draw scores, and how well the cut is located, by noise level of the fill."""
    return _knob(roots.of_kind("noise"), width, "noise", "fill, in standard deviations of the other weights", with_areas=True)


def sparsity(roots: Roots, width: float) -> str:
    """Draw scores by the share of entries that are cut."""
    return _knob(roots.of_kind("sparsity"), width, "sparsity", "share of the feed-forward output weights that is cut", with_areas=False)


def _knob(curves: tuple[Curve, ...], width: float, kind: str, knob: str, *, with_areas: bool) -> str:
    wide = width > 5
    areas = with_areas and any(name in point for curve in curves for point in curve.points for name in AREAS)
    with mpl.rc_context(svg.STYLE):
        fig = svg.figure(width, 2.9 if wide or not areas else 4.8)
        panels = fig.subplots(1 if wide or not areas else 2, 2 if wide and areas else 1, squeeze=False).ravel()
        drawn = _lines(panels[0], curves, ACCURACIES)
        _share_axis(panels[0], "judged right", knob)
        if not with_areas:
            panels[0].xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        if areas:
            drawn += _lines(panels[1], curves, AREAS)
            panels[1].axhline(0.5, color=svg.INK, linewidth=1)
            panels[1].set(xlabel=knob, ylabel="AUC (0.5 = chance)", ylim=(0, 1.03))
        _legend(fig, drawn, 3 if wide else 1)
        return svg.inline(fig, f"{kind}-{'w' if wide else 'n'}", f"Accuracies by {knob}")


def _lines(axes: Axes, curves: Sequence[Curve], series: dict[str, Line]) -> list[Line2D]:
    """Draw each series: its mean over concepts, and thin lines for single concepts; return the means."""
    drawn = []
    for name, line in series.items():
        for curve in curves if len(curves) > 1 else ():
            known = [(point["x"], point[name]) for point in curve.points if name in point]
            axes.plot(*zip(*known, strict=True) if known else ([], []), color=line.colour, linewidth=0.7, alpha=0.25, zorder=2)
        means = average(curves, name)
        if means:
            bars(axes, curves, name, line.colour)
            look: dict[str, Any] = {"color": line.colour, "marker": line.marker, "linestyle": line.dashes, "label": line.label}
            drawn += axes.plot(list(means), list(means.values()), markersize=5, linewidth=2, mec=svg.PAPER, mew=0.8, zorder=4, **look)
    return drawn


def shares(roots: Roots, width: float) -> str:
    """Draw scores of the erased concept and of the others by the share of pruning peers, for each aggregation policy."""
    curves, wide = roots.of_kind("share"), width > 5
    with mpl.rc_context(svg.STYLE):
        fig = svg.figure(width, 2.9 if wide else 4.8)
        panels = fig.subplots(1 if wide else 2, 2 if wide else 1, sharey=True, squeeze=False).ravel()
        drawn: list[Line2D] = []
        for axes, name, title in ((panels[0], "target", "Erased concept"), (panels[1], "others", "Other concepts")):
            axes.set_title(title)
            drawn = []
            for place, policy in enumerate(dict.fromkeys(curve.policy for curve in curves)):
                look = POLICY_LINES[place % len(POLICY_LINES)]
                means = average(own := [curve for curve in curves if curve.policy == policy], name)
                bars(axes, own, name, look.colour)
                drawn += axes.plot(list(means), list(means.values()), color=look.colour, marker=look.marker, markersize=5, linewidth=1.8,
                                   linestyle=look.dashes, mec=svg.PAPER, mew=0.8, label=diffusion_words.policy(policy), clip_on=False)
            _share_axis(axes, "judged right", "share of peers that prune")
            axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            axes.yaxis.set_tick_params(labelleft=True)
        _legend(fig, drawn, len(drawn) if wide else 2)
        return svg.inline(fig, f"share-{'w' if wide else 'n'}", "Accuracies by share of peers that prune, for each policy")


def bars(axes: Axes, curves: Sequence[Curve], name: str, colour: str) -> None:
    """Draw the 95 % intervals of a series' means, over the samples of all concepts together, where their number is known."""
    n = sum(curve.n.get(name.rpartition("_")[2], 0) for curve in curves)
    for x, share in average(curves, name).items() if n else ():
        axes.plot([x, x], wilson(share, n), color=colour, linewidth=0.9, zorder=3)


def average(curves: Sequence[Curve], name: str) -> dict[float, float]:
    """Return the mean over concepts of a series by ``x``, sorted; only for those ``x`` that all concepts have."""
    values: dict[float, list[float]] = {}
    for curve in curves:
        for point in curve.points:
            if name in point:
                values.setdefault(point["x"], []).append(point[name])
    return {x: sum(ys) / len(ys) for x, ys in sorted(values.items()) if len(ys) == len(curves)}


def _share_axis(axes: Axes, label: str, knob: str) -> None:
    axes.set(xlabel=knob, ylabel=label, ylim=(0, 1.03))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def _legend(fig: Figure, handles: Sequence[Any], columns: int) -> None:
    fig.legend(handles=list(handles), loc="outside upper left", ncols=columns, frameon=False, fontsize=8.5, handlelength=2.2,
               columnspacing=1.3, borderaxespad=0.2, handletextpad=0.5)
