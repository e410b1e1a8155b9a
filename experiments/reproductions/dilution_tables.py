"""Tables and figure of ``dilution``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from rich.table import Table

from experiments.reproductions.dilution_federation import POLICIES, Point
from experiments.reproductions.intervals import farthest

STYLES = {
    "mean": ("#c25e12", "o", "-"),
    "masked_mean": ("#626b7c", "s", (0, (4, 2))),
    "union_zero": ("#0f6fb3", "^", "-"),
    "vote(.5)": ("#0a8a67", "D", (0, (5, 1, 1, 1))),
    "union_noise(1)": ("#c8324a", "v", (0, (1, 1.5))),
    "server_mask": ("#1c1f26", "X", (0, (3, 1, 1, 1, 1, 1))),
}
"""Colour, marker and dashes, so that policies do not differ by colour alone."""


def value(points: Sequence[Point], policy: str, pruning: int, name: str) -> float:
    """Return the mean over concepts of a measurement."""
    return mean(point[name] for point in points if (point["policy"], point["pruning"]) == (policy, pruning))


def tables(points: Sequence[Point]) -> list[Table]:
    """Return accuracies by share and policy, the remaining part of the cut, and what the adversary with history restores."""
    shares = sorted({point["pruning"] for point in points if point["pruning"]})
    looked = sorted({point["pruning"] for point in points if "history_target" in point})
    peers = points[0]["peers"]

    def titled(title: str, *columns: str) -> Table:
        table = Table(title=title, title_justify="left")
        for column in ("q", *columns):
            table.add_column(column)
        return table

    def pair(policy: str, count: int, *names: str) -> str:
        return " / ".join(f"{value(points, policy, count, name):.2f}" for name in names)

    accuracies = titled("accuracy of target / others, mean over concepts", *POLICIES)
    accuracies.add_row("nobody", *[pair("none", 0, "target", "others")] * len(POLICIES))
    left = titled("what is left: places still cut / size of an entry that all who prune cut", "theory of the size: 1 - q", *POLICIES)
    history = titled("target / others once an adversary with history has written old values back", *POLICIES)
    for count in shares:
        share = f"{count / peers:.0%}"
        accuracies.add_row(share, *(pair(policy, count, "target", "others") for policy in POLICIES))
        kept = (pair(policy, count, "survival", *(["residual"] if policy != "union_noise(1)" else [])) for policy in POLICIES)
        left.add_row(share, f"{1 - count / peers:.2f}", *kept)
        if count in looked:
            history.add_row(share, *(pair(policy, count, "history_target", "history_others") for policy in POLICIES))
    left.caption = f"overlap of two peers' masks (Jaccard): {value(points, 'none', 0, 'mask_overlap'):.2f}"
    return [accuracies, left, history]


def certainty(points: Sequence[Point], counts: Mapping[str, int]) -> str:
    """Return how many samples there are of each accuracy, and how far the farthest end of their 95 % intervals lies from it.

    ``counts`` are the numbers of samples of one concept, of its target and of all others together.
    """
    concepts, measured = len({point["concept"] for point in points}), {(point["policy"], point["pruning"]) for point in points}
    told = {part: [value(points, *what, part) for what in measured] for part in counts}
    return "; ".join(farthest(part, shares, counts[part] * concepts) for part, shares in told.items())


def picture(points: Sequence[Point], path: Path) -> None:
    """Draw target and others by share and policy, and what the adversary with history restores, as an SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    shares = sorted({point["pruning"] for point in points if point["pruning"]})
    peers = points[0]["peers"]
    titles = {"target": "the erased class", "others": "the other classes", "history_target": "the erased class, history restored"}
    with mpl.rc_context({"svg.hashsalt": "lethe", "axes.spines.top": False, "axes.spines.right": False, "font.size": 9}):
        figure = Figure(figsize=(9.5, 3.2), layout="constrained")
        for axis, (name, title) in zip(figure.subplots(1, 3, sharey=True), titles.items(), strict=True):
            axis.axhline(value(points, "none", 0, name.removeprefix("history_")), color="0.75", linewidth=1, label="nobody prunes")
            for policy, (colour, marker, dashes) in STYLES.items():
                known = [n for n in shares if any(name in p for p in points if (p["policy"], p["pruning"]) == (policy, n))]
                axis.plot([n / peers for n in known], [value(points, policy, n, name) for n in known], color=colour, marker=marker,
                          markersize=4, linestyle=dashes, linewidth=1.6, label=policy)
            axis.set(title=title, xlabel="share of peers that prune", ylim=(0, 1.02))
            axis.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        figure.axes[0].set_ylabel("share that the judge finds right")
        figure.axes[0].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=7, frameon=False)
        figure.savefig(path, metadata={"Date": None})
