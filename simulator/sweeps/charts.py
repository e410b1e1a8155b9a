"""Small multiples: what each measure comes to under each variant, one picture a measure, all in one style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from simulator.report import svg
from simulator.sweeps.design import Design
from simulator.sweeps.estimates import Line
from simulator.sweeps.measures import Measure

WIDTH, HEIGHT = 2.6, 1.9
"""Size of one picture in inches."""
COLOURS = (svg.ENSEMBLE, svg.MAIN, svg.FRESH, svg.GONE, svg.INK)
MARKERS = "osD^v"
LONGEST_TICK = 9
"""Characters of the labels under the axis."""

Values = Sequence[Mapping[Measure, float] | None]


def series(design: Design) -> list[str]:
    """Return the lines of every picture, in the order of their colours: choices of all varied keys but the first, one text each."""
    return list(dict.fromkeys(_series(design, variant) for variant in range(len(design.variants))))


def _series(design: Design, variant: int) -> str:
    return ", ".join(f"{key} = {value}" for key, value in design.variants[variant].values[1:])


def look(place: int) -> tuple[str, str]:
    """Return colour and marker of a line."""
    return COLOURS[place % len(COLOURS)], MARKERS[place // len(COLOURS) % len(MARKERS)]


def multiple(design: Design, lines: Sequence[Line], found: Values, name: str) -> str:
    """Draw one measure: the first varied key along the axis, every seed as a dot, means with their intervals.

    Parameters
    ----------
    design : Design
    lines : sequence of Line
        Those of the measure.
    found : sequence of mapping
        What each run measured, in the order of the design.
    name : str
        Unique on the page.
    """
    ticks = list(dict.fromkeys(value for variant in design.variants for _, value in variant.values[:1])) or [""]
    names = series(design)
    with mpl.rc_context(svg.STYLE):
        fig = svg.figure(WIDTH, HEIGHT)
        axes = fig.subplots()
        places = [_place(design, variant, ticks, names) for variant in range(len(design.variants))]
        _dots(axes, design, found, lines[0].measure, places)
        for line in lines:
            _mean(axes, line, places[line.variant], names.index(_series(design, line.variant)))
        axes.set_xticks(range(len(ticks)), [_cut(tick) for tick in ticks])
        axes.set_xlim(-0.5, len(ticks) - 0.5)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        if sum(len(_cut(tick)) for tick in ticks) > 28:
            axes.tick_params(axis="x", labelrotation=90)
        return svg.inline(fig, name, f"{lines[0].measure.name} by variant: every seed, and means with their intervals")


def _place(design: Design, variant: int, ticks: Sequence[str], names: Sequence[str]) -> float:
    """Return where a variant stands along the axis: at its value of the first key, the lines side by side."""
    values = design.variants[variant].values
    aside = (names.index(_series(design, variant)) - (len(names) - 1) / 2) * 0.7 / len(names)
    return (ticks.index(values[0][1]) if values else 0) + aside


def _dots(axes: Axes, design: Design, found: Values, measure: Measure, places: Sequence[float]) -> None:
    """Draw every seed of every variant, a little aside of the mean."""
    aside = 0.15 / len(series(design))
    played = zip(design.runs, found, strict=True)
    known = [(places[one.variant] - aside, values[measure]) for one, values in played if values and measure in values]
    axes.plot([x for x, _ in known], [y for _, y in known], "o", color=svg.QUIET, markersize=3, alpha=0.8, linestyle="none", zorder=2)


def _mean(axes: Axes, line: Line, place: float, of: int) -> None:
    colour, marker = look(of)
    own = line.own
    if own.low is not None and own.high is not None:
        axes.plot([place, place], [own.low, own.high], color=colour, linewidth=1.6, solid_capstyle="butt", zorder=3)
    axes.plot(place, own.mean, marker, color=colour, markersize=5, mec=svg.PAPER, mew=0.7, zorder=4)


def _cut(text: str) -> str:
    plain = text.strip('"')
    return plain if len(plain) <= LONGEST_TICK else f"{plain[: LONGEST_TICK - 1]}\u2026"
