"""What changes with the rounds: accuracy, membership, bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from simulator.report import svg, words
from simulator.report.model import Accuracy, EventRow, PeerRow, ReportData

MANY_PEERS = 24
"""Beyond this many peers single curves become a band between the 10th and the 90th percentile."""

MANY_MARKS = 16
"""Marks closer together than this fraction of the axis get no number."""

GANTT_ROWS = 40

FORGETTING = {"leave", "erase", "delete"}

Value = Callable[[Accuracy], float | None]


def marks(data: ReportData) -> dict[int, int]:
    """Return the number under which each round with events is marked, in order of the rounds."""
    return {number: place + 1 for place, number in enumerate(sorted({event.round for event in data.events}))}


def accuracy(data: ReportData, width: float) -> str:
    """Draw the accuracy of ensembles and main models alone, on all classes and on the peers' own mixes."""
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
        curve = _column([*(value(row.accuracy) for row in data.rounds), value(data.accuracy)])
        axes.plot(rounds, curve, color=colour, linestyle=dashes, linewidth=2.2, solid_capstyle="round", zorder=4)
        known = np.flatnonzero(~np.isnan(curve))
        if len(known):
            last = int(known[-1])
            axes.plot(rounds[last], curve[last], "o", color=colour, markersize=4.5, zorder=5)
            ends.append((float(curve[last]), rounds[last], name, colour))
    low = min((float(y) for line in axes.lines for y in np.asarray(line.get_ydata()) if not np.isnan(y)), default=0.0)
    axes.set_ylim(0.0 if low < 0.22 else 0.2, 1.02)
    _label_ends(axes, ends)
    rounds_axis(axes, rounds)
    mark_events(axes, data.events, marks(data))
    shown = [tick for tick in axes.get_xticks() if rounds[0] <= tick < rounds[-1]]
    axes.set_xticks([*shown, rounds[-1]], [*(f"{tick:.0f}" for tick in shown), "final"])
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_tick_params(labelleft=True)


def _every_peer(axes: Axes, peers: Sequence[PeerRow], rounds: Sequence[int], value: Value) -> None:
    grid = np.array([_column([value(a) if a else None for a in (*peer.accuracy, peer.final)]) for peer in peers])
    if not grid.size or np.isnan(grid).all():
        return
    if len(peers) <= MANY_PEERS:
        axes.plot(rounds, grid.T, color=svg.ENSEMBLE, linewidth=0.8, alpha=0.28, zorder=2)
        return
    known = ~np.isnan(grid).all(axis=0)
    low, high = np.nanpercentile(grid[:, known], [10, 90], axis=0)
    axes.fill_between(np.asarray(rounds)[known], low, high, color=svg.ENSEMBLE, alpha=0.16, linewidth=0, zorder=2)


def _column(values: Sequence[float | None]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _label_ends(axes: Axes, ends: Sequence[tuple[float, int, str, str]]) -> None:
    """Write name and last value of each curve right of its end, pushed apart where they would touch."""
    low, high = axes.get_ylim()
    apart, ceiling = 0.17 * (high - low), high
    for value, last, name, colour in sorted(ends, reverse=True):
        y = min(value, ceiling - 0.02)
        ceiling = y - apart + 0.02
        style: dict[str, Any] = {"textcoords": "offset points", "va": "center", "color": colour, "fontsize": 8.5, "linespacing": 1.15}
        axes.annotate(f"{name}\n{words.percent(value)}", (last, y), (8, 0), **style)


def mark_events(axes: Axes, events: Sequence[EventRow], numbers: dict[int, int]) -> None:
    """Draw a line at each round with events, under the number by which the page lists it; red where something had to be forgotten."""
    rounds = list(numbers)
    crowded = any(b - a < axes.get_xlim()[1] / MANY_MARKS for a, b in pairwise(rounds))
    for number, mark in numbers.items():
        forgets = any(event.do in FORGETTING for event in events if event.round == number)
        colour = svg.GONE if forgets else svg.MUTED
        axes.axvline(number, color=colour, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)
        top = axes.get_xaxis_transform()
        if crowded:
            axes.plot(number, 1.03, "v", color=colour, markersize=3, transform=top, clip_on=False)
            continue
        axes.plot(number, 1.065, "o", color=colour, markersize=11, transform=top, clip_on=False)
        axes.text(number, 1.06, str(mark), color=svg.PAPER, fontsize=7.5, fontweight="bold", ha="center", va="center", transform=top)


def rounds_axis(axes: Axes, rounds: Sequence[int]) -> None:
    """Name and scale the axis of the rounds."""
    axes.set_xlabel("round")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=min(10, max(len(rounds), 1)), integer=True, min_n_ticks=1))
    if rounds:
        axes.set_xlim(rounds[0] - 0.4, rounds[-1] + 0.4)


def shown_peers(data: ReportData) -> list[PeerRow]:
    """Return the peers of the membership chart: all, or where there are too many those to whom something happened, then the first."""
    if len(data.peers) <= GANTT_ROWS:
        return list(data.peers)
    touched = {peer for event in data.events for peer in event.peers}
    first = sorted(data.peers, key=lambda row: (row.peer not in touched, row.peer))[:GANTT_ROWS]
    return sorted(first, key=lambda row: row.peer)


def membership(data: ReportData, width: float) -> str:
    """Draw who was there in which round, with departures, deletions and the rest marked."""
    rows = shown_peers(data)
    with mpl.rc_context(svg.STYLE):
        fig = svg.figure(width, 0.95 + 0.19 * max(len(rows), 1))
        axes = fig.subplots()
        axes.grid(visible=False)
        for place, row in enumerate(rows):
            _life(axes, place, row, [one.round for one in data.rounds])
        events = [event for event in data.events if data.task == "classification" or event.do != "erase"]  # else a concept goes, not a peer
        _life_events(axes, {row.peer: place for place, row in enumerate(rows)}, events)
        axes.set_yticks(range(len(rows)), [f"peer {row.peer}" for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        rounds_axis(axes, [one.round for one in data.rounds])
        axes.spines["left"].set_visible(False)
        _life_legend(axes, {event.do for event in events}, wide=width > 5)
        return svg.inline(fig, f"membership-{'w' if width > 5 else 'n'}", "Who was present in which round")


def _life(axes: Axes, place: int, row: PeerRow, rounds: Sequence[int]) -> None:
    """Draw one bar a stretch of rounds spent alike."""
    phases = ["present" if here else "away" if belongs else "" for here, belongs in zip(row.present, row.member, strict=True)]
    start = 0
    for end in range(1, len(phases) + 1):
        if end < len(phases) and phases[end] == phases[start]:
            continue
        left, length = rounds[start] - 0.5, end - start
        if phases[start] == "present":
            axes.barh(place, length, left=left, height=0.6, color=svg.ENSEMBLE, alpha=0.75, linewidth=0)
        elif phases[start] == "away":
            axes.barh(place, length, left=left, height=0.6, color="none", edgecolor=svg.QUIET, hatch="//////", linewidth=0.7)
        start = end


_SYMBOLS = {
    "leave": ("X", svg.GONE, "left or erased"),
    "erase": ("X", svg.GONE, "left or erased"),
    "delete": ("D", svg.MAIN, "data deleted"),
    "join": (">", svg.FRESH, "joined or came back"),
    "rejoin": (">", svg.FRESH, "joined or came back"),
    "crash": ("*", svg.INK, "crashed"),
    "straggle": ("s", svg.MUTED, "answered late"),
}


def _life_events(axes: Axes, places: dict[int, int], events: Sequence[EventRow]) -> None:
    for event in events:
        if event.do in _SYMBOLS:
            symbol, colour, _ = _SYMBOLS[event.do]
            at = event.round - (0.5 if event.do in {"leave", "erase", "join", "rejoin"} else 0)
            spots = [places[peer] for peer in event.peers if peer in places]
            axes.plot([at] * len(spots), spots, symbol, color=colour, markersize=8, mec=svg.PAPER, mew=0.9, linestyle="none", zorder=5)


def _life_legend(axes: Axes, happened: set[str], *, wide: bool) -> None:
    from matplotlib.lines import Line2D

    handles: list[Patch | Line2D] = [
        Patch(facecolor=svg.ENSEMBLE, alpha=0.75, label="present"),
        Patch(facecolor="none", edgecolor=svg.QUIET, hatch="//////", label="away"),
    ]
    known = {_SYMBOLS[do][2]: _SYMBOLS[do] for do in _SYMBOLS if do in happened}
    handles += [Line2D([], [], marker=s, color=c, linestyle="none", markersize=6.5, label=label) for label, (s, c, _) in known.items()]
    columns = len(handles) if wide else 3
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=columns, frameon=False, fontsize=8.5, handlelength=1.4,
                columnspacing=1.3, borderaxespad=0.2, handletextpad=0.5)


def costs(data: ReportData, width: float) -> str:
    """Draw the bytes that each round moved, between parties and through the engine."""
    with mpl.rc_context(svg.STYLE):
        fig = svg.figure(width, 2.2)
        axes = fig.subplots()
        rounds = np.array([row.round for row in data.rounds])
        overlay = _column([row.bytes_overlay for row in data.rounds])
        physical = _column([row.bytes_physical for row in data.rounds])
        axes.bar(rounds - 0.2, np.nan_to_num(overlay), 0.38, color=svg.ENSEMBLE, label="overlay: what parties share")
        axes.bar(rounds + 0.2, np.nan_to_num(physical), 0.38, color=svg.QUIET, label="physical: all that was carried")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: words.size(value) if value else "0"))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        rounds_axis(axes, [row.round for row in data.rounds])
        axes.set_xlim(rounds[0] - 0.6, rounds[-1] + 0.6)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2 if width > 5 else 1, frameon=False, fontsize=8.5, borderaxespad=0.2)
        return svg.inline(fig, f"costs-{'w' if width > 5 else 'n'}", "Bytes sent in each round")


def membership_inference(data: ReportData, width: float) -> str:
    """Draw how well an attacker tells erased rows from fresh ones: bars from a coin toss (0.5) to the right or left."""
    rows = [row for row in data.erasures if any(o.mia_auc is not None for o in (row.outcome, row.retrained, row.nothing))]
    with mpl.rc_context(svg.STYLE):
        fig = svg.figure(width, 0.75 + 0.62 * len(rows))
        axes = fig.subplots()
        ends = [o.mia_auc for row in rows for o in (row.outcome, row.retrained, row.nothing) if o.mia_auc is not None]
        for place, row in enumerate(rows):
            kinds = ((row.outcome, svg.ENSEMBLE, ""), (row.retrained, svg.QUIET, ""), (row.nothing, svg.MAIN, "/////"))
            for step, (outcome, colour, hatch) in enumerate(kinds):
                _attack_bar(axes, place + (step - 1) * 0.26, outcome.mia_auc, colour, hatch)
        axes.axvline(0.5, color=svg.INK, linewidth=1)
        axes.grid(visible=False)
        axes.grid(visible=True, axis="x")
        axes.set_xlim(min([0.42, *(end - 0.08 for end in ends)]), max([0.68, *(end + 0.08 for end in ends)]))
        axes.set_yticks(range(len(rows)), [f"round {row.round}\n{'peer' if row.kind == 'peer' else 'rows of'} {row.peer}" for row in rows])
        axes.set_ylim(len(rows) - 0.45, -0.55)
        axes.set_xlabel("area under the curve (0.5 = a coin toss)")
        axes.legend(handles=[Patch(facecolor=svg.ENSEMBLE, label="as run"), Patch(facecolor=svg.QUIET, label="never there"),
                             Patch(facecolor="none", edgecolor=svg.MAIN, hatch="/////", label="did nothing")],
                    loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, frameon=False, fontsize=8.5, borderaxespad=0.2,
                    handlelength=1.3, columnspacing=1.0, handletextpad=0.5)
        return svg.inline(fig, f"attack-{'w' if width > 5 else 'n'}", "Membership inference on the erased rows")


def _attack_bar(axes: Axes, y: float, value: float | None, colour: str, hatch: str) -> None:
    if value is None:
        axes.text(0.503, y, words.NOT_MEASURED, fontsize=7, color=svg.MUTED, va="center")
        return
    fill: dict[str, Any] = {"color": "none", "edgecolor": colour, "hatch": hatch} if hatch else {"color": colour}
    axes.barh(y, value - 0.5, left=0.5, height=0.22, linewidth=0.8 if hatch else 0, **fill)
    right = value >= 0.5
    axes.annotate(words.auc(value), (value, y), (4 if right else -4, 0), textcoords="offset points", fontsize=7.5, color=svg.INK,
                  va="center", ha="left" if right else "right")
