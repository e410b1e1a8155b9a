"""The table of ``retrained``: what models draw that never learned a concept, beside the pruned one, and what each costs."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from experiments.intervals import written
from experiments.reproductions.intervals import cell, over_seeds
from experiments.reproductions.lines import Line
from experiments.reproductions.roots_tables import PAPER_SECONDS

HOWS = {
    "original": "original",
    "pruned": "pruned",
    "revived": "revived",
    "phase 2 without it": "retrained: the backbone saw its images, without their class",
    "both phases without it": "retrained from nothing",
}
"""What is compared, and how the table calls it."""


def table(lines: Sequence[Line]) -> Table:
    """Return a row for each of `HOWS`: shares of samples with intervals over samples, seconds with those over training seeds."""
    target, others = (sum(line["n"][part] for line in lines) for part in ("target", "others"))
    drawn = Table(title="pruned beside never learned: share of samples judged right", title_justify="left")
    for head in ("", f"erased, n = {target}", f"others, n = {others}", "processor seconds"):
        drawn.add_column(head)
    for how, label in HOWS.items():
        seconds = written(over_seeds(lines, lambda line, how=how: line["rows"][how]["seconds"]), 1) if how != "original" else ""  # type: ignore[misc]
        drawn.add_row(label, *(cell(lines, how, part, ("original",)) for part in ("target", "others")), seconds)
    return drawn


def ratios(lines: Sequence[Line]) -> list[str]:
    """Return how many times longer retraining takes than pruning, and the paper's time of a revival."""
    found = []
    for how in ("phase 2 without it", "both phases without it"):
        times = over_seeds(lines, lambda line, how=how: line["rows"][how]["seconds"] / line["rows"]["pruned"]["seconds"])  # type: ignore[misc]
        found.append(f"pruning is faster than retraining, {how}: {written(times, 0)} times")
    return [*found, f"a revival in the paper: {PAPER_SECONDS}"]
