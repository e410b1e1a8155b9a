"""The figure of ``attacks``: what relearning brings back by steps, images and fill, and what guessed signs do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.reproductions.attacks_parts import FILLS, SIGNS, Ladder, relearn_label
from experiments.reproductions.intervals import pooled
from experiments.reproductions.lines import Line
from server.audit.intervals import wilson

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLES = {"cut": ("#c25e12", "o", "-"), "gaussian": ("#0f6fb3", "s", (0, (4, 2))), "redrawn_columns": ("#0a8a67", "D", (0, (1, 1.5)))}
"""Colour, marker and dashes, so that fills do not differ by colour alone."""
LABELS = {"cut": "plain cut", "gaussian": "Gaussian fill", "redrawn_columns": "redrawn columns"}
REFERENCES = {"original": "before the cut", "true signs, random sizes": "true signs, random sizes", "pruned": "the cut"}
"""Rows of signs and sizes that are drawn as levels."""


def picture(lines: Sequence[Line], ladder: Ladder, path: Path) -> None:
    """Draw the share of samples of the erased concept by steps of relearning, a panel a number of images, and by share of signs kept."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    fills = {name: own for name in FILLS if (own := [line for line in lines if line["part"] == name])}
    signs = [line for line in lines if line["part"] == SIGNS]
    counts = ladder.images if fills else ()
    with mpl.rc_context({"svg.hashsalt": "lethe", "axes.spines.top": False, "axes.spines.right": False, "font.size": 9}):
        figure = Figure(figsize=(2.6 * (len(counts) + bool(signs)) + 1, 3.2), layout="constrained")
        panels = list(figure.subplots(1, len(counts) + bool(signs), sharey=True, squeeze=False)[0])
        for axis, count in zip(panels, counts, strict=False):
            for name, own in fills.items():
                rows = ["released", *(relearn_label(count, steps) for steps in ladder.steps)]
                colour, marker, dashes = STYLES[name]
                _curve(axis, own, [0, *ladder.steps], rows, colour, marker=marker, linestyle=dashes, label=LABELS[name])
            axis.set_xscale("symlog", linthresh=ladder.steps[0])
            axis.set_xticks([0, *ladder.steps], map(str, [0, *ladder.steps]))
            axis.minorticks_off()
            axis.set(title=f"relearning, {count} image{'s' * (count > 1)}", xlabel="steps")
        if counts:
            figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower left", ncols=len(fills), frameon=False)
        if signs:
            _signs(panels[-1], signs, ladder)
            figure.legend(*panels[-1].get_legend_handles_labels(), loc="outside lower right", ncols=2, frameon=False)
        panels[0].set(ylabel="samples that show the erased class", ylim=(0, 1.02))
        panels[0].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        figure.savefig(path, metadata={"Date": None})


def _curve(axis: Axes, lines: Sequence[Line], along: Sequence[float], rows: Sequence[str], colour: str, **style: object) -> None:
    """Draw shares with bands of their 95 % intervals over samples."""
    found = [pooled(lines, row, "target") for row in rows]
    low, high = zip(*(wilson(share, n) for share, n in found), strict=True)
    axis.plot(along, [share for share, _ in found], color=colour, markersize=4, linewidth=1.6, **style)  # type: ignore[arg-type]
    axis.fill_between(along, low, high, color=colour, alpha=0.15, linewidth=0)


def _signs(axis: Axes, lines: Sequence[Line], ladder: Ladder) -> None:
    _curve(axis, lines, ladder.keep, [f"revived, {keep:.1f} of signs kept" for keep in ladder.keep], "#1c1f26", marker="o", label="revived")
    for (row, label), dashes in zip(REFERENCES.items(), ((0, (1, 1)), (0, (5, 2)), "-"), strict=True):
        axis.axhline(pooled(lines, row, "target")[0], color="0.55", linewidth=1, linestyle=dashes, label=label)
    axis.set(title="guessed signs, plain cut", xlabel="share of them that is kept", xticks=ladder.keep)
