"""Charts over the rounds for every task: events, membership, bytes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from simulator.report import svg, words
from simulator.report.model import EventRow, PeerRow, ReportData

MANY_MARKS = 16
"""Marks that are closer than this fraction of the axis have no number."""

GANTT_ROWS = 40

FORGETTING = {"leave", "erase", "delete"}


def marks(data: ReportData) -> dict[int, int]:
    """Return the number that marks each round with events, in the order of rounds."""
    return {number: place + 1 for place, number in enumerate(sorted({event.round for event in data.events}))}


def column(values: Sequence[float | None]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return values as float64, NaN for None."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def mark_events(axes: Axes, events: Sequence[EventRow], numbers: dict[int, int]) -> None:
    """Draw a line at each round with events, with its number on the page; red if something had to be forgotten."""
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
    """Label and scale the axis of rounds."""
    axes.set_xlabel("round")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=min(10, max(len(rounds), 1)), integer=True, min_n_ticks=1))
    if rounds:
        axes.set_xlim(rounds[0] - 0.4, rounds[-1] + 0.4)


def shown_peers(data: ReportData) -> list[PeerRow]:
    """Return the peers of the membership chart: all, or if there are too many, those with events, then the first ones."""
    if len(data.peers) <= GANTT_ROWS:
        return list(data.peers)
    touched = {peer for event in data.events for peer in event.peers}
    first = sorted(data.peers, key=lambda row: (row.peer not in touched, row.peer))[:GANTT_ROWS]
    return sorted(first, key=lambda row: row.peer)


def membership(data: ReportData, events: Sequence[EventRow], width: float) -> str:
    """Draw the presence of peers by round, and mark the events that concerned it."""
    rows = shown_peers(data)
    with mpl.rc_context(svg.STYLE):
        fig = svg.figure(width, 0.95 + 0.19 * max(len(rows), 1))
        axes = fig.subplots()
        axes.grid(visible=False)
        for place, row in enumerate(rows):
            _life(axes, place, row, [one.round for one in data.rounds])
        _life_events(axes, {row.peer: place for place, row in enumerate(rows)}, events)
        axes.set_yticks(range(len(rows)), [f"peer {row.peer}" for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        rounds_axis(axes, [one.round for one in data.rounds])
        axes.spines["left"].set_visible(False)
        _life_legend(axes, {event.do for event in events}, wide=width > 5)
        return svg.inline(fig, f"membership-{'w' if width > 5 else 'n'}", "Who was present in which round")


def _life(axes: Axes, place: int, row: PeerRow, rounds: Sequence[int]) -> None:
    """Draw one bar for each sequence of rounds with the same status."""
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
    "correct": ("d", svg.MAIN, "rows corrected"),
    "arrive": ("P", svg.FRESH, "new rows"),
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
    """Draw the bytes of each round: those that parties share, and those that the engine moved."""
    with mpl.rc_context(svg.STYLE):
        fig = svg.figure(width, 2.2)
        axes = fig.subplots()
        rounds = np.array([row.round for row in data.rounds])
        overlay = column([row.bytes_overlay for row in data.rounds])
        physical = column([row.bytes_physical for row in data.rounds])
        axes.bar(rounds - 0.2, np.nan_to_num(overlay), 0.38, color=svg.ENSEMBLE, label="overlay: what parties share")
        axes.bar(rounds + 0.2, np.nan_to_num(physical), 0.38, color=svg.QUIET, label="physical: all that was carried")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: words.size(value) if value else "0"))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        rounds_axis(axes, [row.round for row in data.rounds])
        axes.set_xlim(rounds[0] - 0.6, rounds[-1] + 0.6)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2 if width > 5 else 1, frameon=False, fontsize=8.5, borderaxespad=0.2)
        return svg.inline(fig, f"costs-{'w' if width > 5 else 'n'}", "Bytes sent in each round")
