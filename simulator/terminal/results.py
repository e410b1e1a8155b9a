"""A run's results as tables in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from simulator.runs.run import Run
from simulator.runs.shown import counted, number, round_and_subject
from simulator.terminal import comparison, concept_tables, language_tables, privacy, shadow_audits


def show_results(run: Run, console: Console | None = None) -> None:
    """Print metrics, erasures and expectations of a finished run."""
    console = console or Console()
    found = run.results
    console.print(f"{found['name']}  seed {found['seed']}  engine {found['engine']}  digest {found['digest'][:16]}", highlight=False)
    if "revivals" in found:
        _show_concepts(found, console)
    else:
        console.print(_metrics(found["metrics"]))
    for part in language_tables.tables(found["language"]) if "language" in found else ():
        console.print(part, highlight=False, markup=False)
    if "privacy" in found:
        console.print(privacy.table(found["privacy"]))
    if found["erasures"]:
        console.print(_erasures(found["erasures"]))
    if "arrivals" in found:
        console.print(_arrivals(found["arrivals"]))
    for one in found.get("compare", ()):
        for table in comparison.tables(one, console.width):
            console.print(table)
        for line in comparison.notes(one):
            console.print(line, highlight=False, markup=False)
    for column in (column for columns in found.get("audits", {}).values() for column in columns if column["shown"]):
        if judged := [one for one in found["erasures"] if one.get(column["name"]) is not None]:
            console.print(_audited(column, judged))
    if (by_shadows := shadow_audits.table(found)) is not None:
        console.print(by_shadows)
    for line in shadow_audits.spreads(found):
        console.print(line, highlight=False, markup=False)
    for line in dict.fromkeys(line for one in found["erasures"] for line in (*_notes(one), *_not_judged(one))):
        console.print(line, highlight=False, markup=False)
    for name, told in found.get("examined", {}).items():
        console.print(f"{name}:", highlight=False)
        for line in told["lines"]:
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    for one in found.get("refusals", ()):
        console.print(f"refused, round {one['round']}: peer {one['peer']}: {one['why']}", highlight=False, markup=False)
    if found["expectations"]:
        console.print(_expectations(found["expectations"]))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _metrics(metrics: dict[str, dict[str, dict[str, float | None]]]) -> Table:
    """Return a table of the data set's metrics: one row per metric and test distribution, one column per model."""
    models = list(dict.fromkeys(model for mixes in metrics.values() for values in mixes.values() for model in values))
    heads = ("main only" if model == "main" else model for model in models)
    table = _table("at the end, mean over live peers", "", "test mix", *heads)
    for name, mixes in metrics.items():
        for mix, values in mixes.items():
            table.add_row(name, "each peer's own" if mix == "local" else mix, *(number(values.get(model)) for model in models))
    return table


def _show_concepts(found: dict[str, Any], console: Console) -> None:
    """Print the quality of samples, erased concepts, and attacks, or the reasons why these were not played."""
    told = [("samples that show what was asked for, at the end", found["accuracy"])]
    if released := found.get("release"):
        told.append((f"the same of what the server releases (policy {released['policy']}, scale {released['scale']:g})", released))
    for line in (line for what, one in told for line in concept_tables.accuracy(what, one)):
        console.print(line, highlight=False)
    if doubt := found["judge"].get("doubt"):
        console.print(f"warning: {doubt}", highlight=False)
    for table in concept_tables.tables(found, console.width):
        console.print(table)
    for line in concept_tables.not_played(found["not_played"]):
        console.print(line, highlight=False, markup=False)


def _erasures(erasures: list[dict[str, Any]]) -> Table:
    again = ["steps to\nretrain"] if any(one.get("retrain_gradient_steps") is not None for one in erasures) else []
    held = ["receipts"] if any(one["holders"] for one in erasures) else []
    table = _table("erasures", "round", "what", "method", "guarantee", "max\ndifference", "steps", *again, *held)
    for column in table.columns:
        column.no_wrap = column.header != "what"
    for one in erasures:
        retrained = [_count(one.get("retrain_gradient_steps"))] if again else []
        receipts = [f"{len(one['receipts'])} of {len(one['holders'])}"] if held else []
        difference = number(one["max_abs_difference"])
        told = (one["method"], one["guarantee"], difference, str(one["gradient_steps"]))
        table.add_row(*round_and_subject(one), *told, *retrained, *receipts)
    return table


def _arrivals(arrivals: list[dict[str, Any]]) -> Table:
    """Return a table of the rows that arrived."""
    table = _table("arrivals of rows", "round", "what", "method", "guarantee", "as if given\nbefore training", "steps")
    for one in arrivals:
        what = f"{one['rows']} rows at peer {one['peer']}"
        equal = {True: "bit for bit", False: "NO", None: "not compared"}[one["equal"]]
        table.add_row(str(one["round"]), what, one["method"], one["guarantee"], equal, str(one["gradient_steps"]))
    return table


def _audited(column: dict[str, Any], judged: list[dict[str, Any]]) -> Table:
    """Return the table of an audit's column: one row per erasure, one column per run with a figure."""
    runs = {label: key for label, key in column["keys"].items() if any(one.get(key) is not None for one in judged)}
    table = _table(f"{column['heading']}: {column['unit']}", "round", "what", *(label.replace(" (", "\n(") for label in runs))
    for one in judged:
        suffixes = (key.removeprefix(column["name"]) for key in runs.values())
        told = (counted(column["name"], column.get("counts"), one, number, of=column["format"] == "share", suffix=end) for end in suffixes)
        table.add_row(*round_and_subject(one), *told)
    return table


def _notes(erasure: dict[str, Any]) -> Iterator[str]:
    """Yield the notes on an erasure."""
    when, what = round_and_subject(erasure)
    for note in erasure.get("notes", ()):
        yield f"{erasure['method']}, round {when}, {what}: {note}"


def _not_judged(erasure: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each audit that could not judge an erasure."""
    when, what = round_and_subject(erasure)
    for audit, reason in erasure.get("not_judged", {}).items():
        yield f"{audit.replace('_', ' ')}, round {when}, {what}: {reason}"


def _expectations(expectations: list[dict[str, Any]]) -> Table:
    table = _table("expectations", "after", "expected", "found", "")
    for one in expectations:
        table.add_row(str(one["after"]), one["expected"], one["found"], "met" if one["met"] else "FAILED")
    return table


def _count(value: float | None) -> str:
    """Return an integer with separators, or ``"not measured"`` for None."""
    return "not measured" if value is None else f"{int(value):,}"
