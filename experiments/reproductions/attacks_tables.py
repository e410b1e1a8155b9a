"""Tables of ``attacks``: attacks by fills, the erased concept named from its scar, and what signs and sizes are worth."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from experiments.intervals import written
from experiments.reproductions.attacks_parts import FILLS, SIGNS
from experiments.reproductions.intervals import cell, over_seeds, shift, text
from experiments.reproductions.lines import Line

FIGURES = {
    "sign_accuracy": "sign accuracy, all lost entries",
    "sign_accuracy_top_fifth": "sign accuracy, surest fifth",
    "size_error": "size error of the completion (1: no better than zero)",
}
CHANCE = 0.1
PLAIN = "cut"
"""The part with which fills are compared."""
WHOLE = ("original", "surrogate base")
"""Rows whose weights are those before any cut."""


def tables(lines: Sequence[Line]) -> list[Table]:
    """Return the tables of what was measured."""
    by_part = {name: [line for line in lines if line["part"] == name] for name in (*FILLS, SIGNS)}
    fills = {name: own for name, own in by_part.items() if own and name != SIGNS}
    found = []
    for part, title in (("target", "the erased concept"), ("others", "other concepts")):
        if fills:
            found.append(_accuracies(f"attacks on what is released: share of samples judged right, {title}", fills, part))
    if len(fills) > 1 and PLAIN in fills:
        found.append(_shifts(fills))
    if fills:
        found.append(_naming(fills))
    if by_part[SIGNS]:
        found += [_accuracies("what signs and sizes are worth", {SIGNS: by_part[SIGNS]}, None), _figures(by_part[SIGNS])]
    return found


def _accuracies(title: str, parts: dict[str, list[Line]], which: str | None) -> Table:
    """Return rows by parts; with ``which`` None, target and others of the only part."""
    columns = [(name, name, which) for name in parts] if which else [(part, SIGNS, part) for part in ("target", "others")]
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for label, name, part in columns:
        table.add_column(f"{label}, n = {sum(line['n'][part] for line in parts[name])}", no_wrap=True)
    for row in next(iter(parts.values()))[0]["rows"]:
        table.add_row(row, *(cell(parts[name], row, part, WHOLE) for _, name, part in columns))
    return table


def _shifts(fills: dict[str, list[Line]]) -> Table:
    """Return how much less an attack brings back after each fill than after the plain cut, over the cuts that have both."""
    title = "the erased concept, after a fill less after the plain cut; 95 % interval over training seeds, paired p over cuts"
    table = Table(title=title, title_justify="left")
    table.add_column("")
    plain = {(line["seed"], line["concept"]): line for line in fills[PLAIN]}
    columns = []
    for name, lines in fills.items():
        if own := [{**line, PLAIN: plain[cut]} for line in lines if (cut := (line["seed"], line["concept"])) in plain and name != PLAIN]:
            table.add_column(f"{name}, {len(own)} cuts", no_wrap=True)
            columns.append(own)
    for row in fills[PLAIN][0]["rows"]:

        def before(line: Line, row: str = row) -> float:
            return float(line[PLAIN]["rows"][row]["target"])

        def after(line: Line, row: str = row) -> float:
            return float(line["rows"][row]["target"])

        table.add_row(row, *(shift(own, before, after) for own in columns))
    return table


def _naming(fills: dict[str, list[Line]]) -> Table:
    table = Table(title=f"naming the erased class from the scar: share named right (chance {CHANCE})", title_justify="left")
    table.add_column("released")
    table.add_column("named right")
    table.add_column("n")
    for name, lines in fills.items():
        right = sum(line["named"] == line["target"] for line in lines)
        table.add_row(name, text(right / len(lines), len(lines)), str(len(lines)))
    return table


def _figures(lines: Sequence[Line]) -> Table:
    table = Table(title=f"the completion, mean over {len(lines)} cuts; 95 % interval over training seeds", title_justify="left")
    table.add_column("")
    table.add_column("value")
    for key, label in FIGURES.items():
        table.add_row(label, written(over_seeds(lines, lambda line, key=key: line[key])))  # type: ignore[misc]
    return table
