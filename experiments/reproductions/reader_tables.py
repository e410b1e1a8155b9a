"""The table of ``reader``: how well edited columns are told, and who completes where the reader points."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, stdev

from rich.table import Table

from experiments.reproductions.intervals import text
from experiments.reproductions.lines import Line

MODELS = {"own": "own denoiser", "released": "released model"}
"""What the attacker makes its examples of."""
HEADS = ("release", "examples of", "area", "concept: released", "completed where it points", "mask known", "others: where it points")


def table(lines: Sequence[Line]) -> Table:
    """Return a row for each kind of release and of examples."""
    made = Table(title="a trained reader of edited columns: area under the curve (± standard deviation over seeds), and who completes")
    for head in HEADS:
        made.add_column(head)
    for kind in dict.fromkeys(line["release"] for line in lines):
        own = [line for line in lines if line["release"] == kind]
        for model in own[0]["areas"]:
            made.add_row(kind, MODELS[model], _area(own, model), *_shares(own, model))
    return made


def _area(lines: Sequence[Line], model: str) -> str:
    """Return the mean over seeds of the means over concepts, with their standard deviation if there are several."""
    seeds = dict.fromkeys(line["seed"] for line in lines)
    areas = [mean(line["areas"][model] for line in lines if line["seed"] == seed) for seed in seeds]
    return f"{mean(areas):.3f}" + (f" ± {stdev(areas):.3f}" if len(areas) > 1 else "")


def _shares(lines: Sequence[Line], model: str) -> list[str]:
    """Return shares with intervals over samples; dashes where nothing was attacked."""
    if not lines[0]["rows"]:
        return ["-"] * 4
    rows = [{**line["rows"], "read": line["read"][model]} for line in lines]
    counts = {part: sum(line["n"][part] for line in lines) for part in ("target", "others")}
    asked = [("released", "target"), ("read", "target"), ("known", "target"), ("read", "others")]
    return [text(mean(row[attack][part] for row in rows), counts[part]) for attack, part in asked]
