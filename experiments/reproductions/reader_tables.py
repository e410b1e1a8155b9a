"""The table of ``reader``: how well edited columns are told, and who completes where the reader points."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from rich.table import Table

from experiments.intervals import written
from experiments.reproductions.intervals import over_seeds, text
from experiments.reproductions.lines import Line

MODELS = {"own": "own denoiser", "released": "released model"}
"""What the attacker makes its examples of."""
HEADS = ("release", "examples of", "area", "concept: released", "completed where it points", "mask known", "others: where it points")


def table(lines: Sequence[Line]) -> Table:
    """Return a row for each kind of release and of examples."""
    made = Table(title="a trained reader of edited columns: area under the curve (95 % interval over training seeds), and who completes")
    for head in HEADS:
        made.add_column(head)
    for kind in dict.fromkeys(line["release"] for line in lines):
        own = [line for line in lines if line["release"] == kind]
        for model in own[0]["areas"]:
            area = over_seeds(own, lambda line, model=model: line["areas"][model])  # type: ignore[misc]
            made.add_row(kind, MODELS[model], written(area), *_shares(own, model))
    return made


def _shares(lines: Sequence[Line], model: str) -> list[str]:
    """Return shares with intervals over samples; dashes where nothing was attacked."""
    if not lines[0]["rows"]:
        return ["-"] * 4
    rows = [{**line["rows"], "read": line["read"][model]} for line in lines]
    counts = {part: sum(line["n"][part] for line in lines) for part in ("target", "others")}
    asked = [("released", "target"), ("read", "target"), ("known", "target"), ("read", "others")]
    return [text(mean(row[attack][part] for row in rows), counts[part]) for attack, part in asked]
