"""Comparisons of methods as tables in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

from simulator.runs.shown import SETS, count_of, notes_of, number, sizes_of

_HEADS = ("guarantee", "parameters", "predictions", *SETS, "steps", "client\nepochs", "bytes", "seconds")


def table(one: Mapping[str, Any]) -> Table:
    """Return the table of a comparison: one row a run."""
    asked = f"event {one['event']}, round {one['round']}: {count_of(one)} to forget"
    rows = ", ".join(f"{name} {count}" for name, count in sizes_of(one["compared"]).items())
    title = f"compare: {asked}; distances to the retrained model, accuracies with 95 % intervals (rows: {rows})"
    made = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for head in ("", *_HEADS):
        made.add_column(head, overflow="fold", no_wrap=head not in ("", "guarantee"))
    for row in one["compared"]:
        made.add_row(row["row"].replace("[", r"\["), *_cells(row))
    return made


def _cells(row: Mapping[str, Any]) -> Iterator[str]:
    if row["verdict"] == "failed":
        yield "FAILED"
        return
    yield row.get("guarantee", "") + {"proven": ": proven", "disproved": ": DISPROVED"}.get(row["verdict"], "")
    yield from (number(row[name]) for name in ("parameters", "predictions"))
    yield from (accuracy(row[name]) for name in SETS)
    if "gradient_steps" in row:
        yield from (f"{row['gradient_steps']:,}", f"{row['client_epochs']:.4g}", f"{row['bytes']:,}", number(row["seconds"]))


def accuracy(told: Mapping[str, Any] | None) -> str:
    """Return an accuracy with its interval."""
    return "not measured" if told is None else f"{told['accuracy']:.3f} ({told['low']:.2f} to {told['high']:.2f})"


def notes(one: Mapping[str, Any]) -> Iterator[str]:
    """Yield what methods say of how they carried the request out, or why they did not."""
    for row, note in notes_of(one["compared"]):
        yield f"{row}, event {one['event']}: {note}"
