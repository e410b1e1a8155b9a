"""Comparisons of methods as tables in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from simulator.runs.shown import SETS, count_of, notes_of, number, sizes_of

_HEADS = (("guarantee", "parameters", "predictions"), SETS, ("steps", "client epochs", "bytes", "seconds"))
_ALL = slice(0, len(_HEADS))


def tables(one: Mapping[str, Any], width: int) -> Iterator[Table]:
    """Yield the table of a comparison, one row a run; where it is wider than the terminal, distances, accuracies and costs one by one."""
    asked = f"event {one['event']}, round {one['round']}: {count_of(one)} to forget"
    rows = ", ".join(f"{name} {count}" for name, count in sizes_of(one["compared"]).items())
    titles = f"compare: {asked}; distances to the retrained model", f"accuracies with 95 % intervals (rows: {rows})", "costs"
    whole = _table(titles, one["compared"], _ALL)
    if Console(width=1000).measure(whole).maximum <= width:
        yield whole
    else:
        yield from (_table(titles, one["compared"], slice(part, part + 1)) for part in range(len(_HEADS)))


def _table(titles: Sequence[str], compared: Sequence[Mapping[str, Any]], parts: slice) -> Table:
    """Return a table of some parts of the figures."""
    made = Table(title=", ".join(titles[parts]), title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for head in ("", *(head for heads in _HEADS[parts] for head in heads)):
        made.add_column(head, overflow="fold", no_wrap=head not in ("", "guarantee"))
    for row in compared:
        made.add_row(row["row"].replace("[", r"\["), *(cell for cells in _cells(row)[parts] for cell in cells))
    return made


def _cells(row: Mapping[str, Any]) -> tuple[Sequence[str], ...]:
    """Return the cells of a row by part."""
    if row["verdict"] == "failed":
        return ["FAILED", "", ""], [""] * len(SETS), [""] * 4
    claim = row.get("guarantee", "") + {"proven": ": proven", "disproved": ": DISPROVED"}.get(row["verdict"], "")
    costs = [""] * 4
    if "gradient_steps" in row:
        costs = [f"{row['gradient_steps']:,}", f"{row['client_epochs']:.4g}", f"{row['bytes']:,}", number(row["seconds"])]
    return [claim, number(row["parameters"]), number(row["predictions"])], [accuracy(row[name]) for name in SETS], costs


def accuracy(told: Mapping[str, Any] | None) -> str:
    """Return an accuracy with its interval."""
    return "not measured" if told is None else f"{told['accuracy']:.3f} ({told['low']:.2f} to {told['high']:.2f})"


def notes(one: Mapping[str, Any]) -> Iterator[str]:
    """Yield what methods say of how they carried the request out, or why they did not."""
    for row, note in notes_of(one["compared"]):
        yield f"{row}, event {one['event']}: {note}"
