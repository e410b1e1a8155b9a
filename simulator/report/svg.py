"""Figures as SVG inside a page: they use its fonts and its light and dark colours, have unique ids, and load nothing."""

from __future__ import annotations

import io
import re
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, MUTED, LINE, PAPER = "#1b1f2a", "#626b7c", "#d5dae3", "#fefefe"
MAIN, ENSEMBLE, GONE, FRESH, QUIET = "#c25e12", "#0f6fb3", "#c8324a", "#0a8a67", "#aab3c2"
"""A palette for any colour vision; the page defines a light and a dark shade of each colour."""

_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    LINE: "line",
    PAPER: "paper",
    MAIN: "main",
    ENSEMBLE: "ensemble",
    GONE: "gone",
    FRESH: "fresh",
    QUIET: "quiet",
}

WIDE, NARROW = 7.4, 3.7
"""Widths in inches (96 px per inch) for a desktop or paper, and for a phone."""

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "lethe",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.facecolor": "none",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "hatch.linewidth": 0.7,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.02,
    "figure.constrained_layout.w_pad": 0.02,
}


def variable(colour: str) -> str:
    """Return the name of the page's variable that holds a colour of the palette."""
    return _VARIABLES[colour]


def figure(width: float, height: float) -> Figure:
    """Return an empty figure in the report's style (to be made inside ``mpl.rc_context(STYLE)``)."""
    return Figure(figsize=(width, height))


def bare(axes: Axes) -> None:
    """Remove everything except the drawing from the axes."""
    axes.set_axis_off()
    axes.grid(visible=False)


def inline(fig: Figure, name: str, label: str) -> str:
    """Return a figure as an ``<svg>`` element.

    Parameters
    ----------
    fig : Figure
    name : str
        Unique on the page; put before every id inside.
    label : str
        What the picture shows, read out by screen readers.
    """
    text = drawn(fig)
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->\n?", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'xlink:href="#', f'href="#{name}-', body)
    body = body.replace("url(#", f"url(#{name}-")
    body = re.sub(r"font: ([^;\"]*?)px [^;\"]*", _font, body)
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, f"var(--{variable})")
    viewbox = re.search(r'viewBox="[^"]*"', body)
    assert viewbox is not None
    inside = body[body.index(">") + 1 :]
    return f'<svg {viewbox.group()} role="img" aria-label="{escape(label)}">{inside}'


def drawn(fig: Figure) -> str:
    """Return a figure as the content of an SVG file, without the date."""
    buffer = io.StringIO()
    with mpl.rc_context(STYLE):
        fig.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return buffer.getvalue()


def _font(match: re.Match[str]) -> str:
    """Return the size and weight of a font; the family is the page's."""
    words = match.group(1).split()
    weight = "; font-weight: 650" if {"bold", "600", "700"} & set(words) else ""
    return f"font-size: {words[-1]}px{weight}"


def standalone(inlined: str) -> str:
    """Return a result of ``inline`` as the content of an SVG file, in light colours on a white ground."""
    for colour, variable in _VARIABLES.items():
        inlined = inlined.replace(f"var(--{variable})", colour)
    head, _, body = inlined.partition(">")
    style = f"<style>text {{ font-family: system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif }} svg {{ background: {PAPER} }}</style>"
    return f'{head} xmlns="http://www.w3.org/2000/svg">{style}{body}'
