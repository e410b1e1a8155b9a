"""Charts of the accuracy of ensembles and main models by round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from simulator.report import curves as by_round
from simulator.report import svg, words
from simulator.report.curves import column
from simulator.report.model import Accuracy, PeerRow, ReportData

MANY_PEERS = 24
"""With more peers, a band between the 10th and the 90th percentile replaces single curves."""

Value = Callable[[Accuracy], float | None]


def accuracy(data: ReportData, width: float) -> str:
    """Draw the accuracy of ensembles and of main models alone, on all classes and on the peers' own class distributions."""
    wide = width > 5
    with mpl.rc_context(svg.STYLE):
        fig = svg.figure(width, 2.9 if wide else 4.9)
        panels = fig.subplots(1 if wide else 2, 2 if wide else 1, sharey=True, squeeze=False).ravel()
        _panel(panels[0], data, "On all classes", lambda a: a.global_ensemble, lambda a: a.global_main)
        _panel(panels[1], data, "On each peer\u2019s own class mix", lambda a: a.local_ensemble, lambda a: a.local_main)
        title = f"{words.capital(data.measure)} by round, {data.together} beside main model alone"
        return svg.inline(fig, f"accuracy-{'w' if wide else 'n'}", title)


def _panel(axes: Axes, data: ReportData, title: str, ensemble: Value, main: Value) -> None:
    axes.set_title(title, pad=20)
    rounds = [*(row.round for row in data.rounds), len(data.rounds) + 1]
    _every_peer(axes, data.peers, rounds, ensemble)
    ends = []
    for value, colour, dashes, name in ((main, svg.MAIN, (0, (4, 2)), "main alone"), (ensemble, svg.ENSEMBLE, "-", data.together)):
        curve = column([*(value(row.accuracy) for row in data.rounds), value(data.accuracy)])
        axes.plot(rounds, curve, color=colour, linestyle=dashes, linewidth=2.2, solid_capstyle="round", zorder=4)
        known = np.flatnonzero(~np.isnan(curve))
        if len(known):
            last = int(known[-1])
            axes.plot(rounds[last], curve[last], "o", color=colour, markersize=4.5, zorder=5)
            ends.append((float(curve[last]), rounds[last], name, colour))
    low = min((float(y) for line in axes.lines for y in np.asarray(line.get_ydata()) if not np.isnan(y)), default=0.0)
    axes.set_ylim(0.0 if low < 0.22 else 0.2, 1.02)
    _label_ends(axes, ends)
    by_round.rounds_axis(axes, rounds)
    by_round.mark_events(axes, data.events, by_round.marks(data))
    shown = [tick for tick in axes.get_xticks() if rounds[0] <= tick < rounds[-1]]
    axes.set_xticks([*shown, rounds[-1]], [*(f"{tick:.0f}" for tick in shown), "final"])
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_tick_params(labelleft=True)


def _every_peer(axes: Axes, peers: Sequence[PeerRow], rounds: Sequence[int], value: Value) -> None:
    grid = np.array([column([value(a) if a else None for a in (*peer.accuracy, peer.final)]) for peer in peers])
    if not grid.size or np.isnan(grid).all():
        return
    if len(peers) <= MANY_PEERS:
        axes.plot(rounds, grid.T, color=svg.ENSEMBLE, linewidth=0.8, alpha=0.28, zorder=2)
        return
    known = ~np.isnan(grid).all(axis=0)
    low, high = np.nanpercentile(grid[:, known], [10, 90], axis=0)
    axes.fill_between(np.asarray(rounds)[known], low, high, color=svg.ENSEMBLE, alpha=0.16, linewidth=0, zorder=2)


def _label_ends(axes: Axes, ends: Sequence[tuple[float, int, str, str]]) -> None:
    """Write name and last value of each curve beside its end, without overlaps."""
    low, high = axes.get_ylim()
    apart, ceiling = 0.17 * (high - low), high
    for value, last, name, colour in sorted(ends, reverse=True):
        y = min(value, ceiling - 0.02)
        ceiling = y - apart + 0.02
        style: dict[str, Any] = {"textcoords": "offset points", "va": "center", "color": colour, "fontsize": 8.5, "linespacing": 1.15}
        axes.annotate(f"{name}\n{words.percent(value)}", (last, y), (8, 0), **style)
