"""How ``lethe sweep`` ends: what stopped, the table, the directory of the sweep, and last of all the verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from json import dumps
from math import isfinite
from typing import Any

import typer
from rich.console import Console

from simulator.stopping import interruptible
from simulator.sweeps.directory import TABLE
from simulator.sweeps.estimates import Line
from simulator.sweeps.result import Sweep
from simulator.sweeps.tables import told
from simulator.terminal.ending import as_json as run_as_json
from simulator.terminal.ending import print_verdict


def carry_out(play: Callable[[], Sweep], *, json: bool = False) -> Sweep:
    """Play a sweep to its end and tell how it ended.

    Table and directory are printed on standard output, for programs as JSON; runs that stopped, and last of all the verdict, on standard
    error.
    """
    with interruptible("nothing committed is lost: the same command goes on"):
        done = play()
    if json:
        typer.echo(dumps(as_json(done), indent=1))
    else:
        _show_table(done)
        typer.echo(done.folder)
    for label, why in done.stopped.items():
        typer.echo(f"{label}: {why}", err=True)
    print_verdict(done.verdict, Console(stderr=True))
    return done


def as_json(done: Sweep) -> dict[str, Any]:
    """Return the directory, the verdict, every run, and the table line by line, as plain values; what is infinite is None."""
    runs = []
    for one in done.played:
        row: dict[str, Any] = {"variant": done.design.variants[one.planned.variant].cells, "seed": one.planned.seed}
        row |= {"status": one.status, "why": one.why} if one.run is None else run_as_json(one.run)
        runs.append(row)
    lines = []
    for line in done.lines:
        row = {"variant": done.design.variants[line.variant].cells, "measure": line.measure.name, "unit": line.measure.unit}
        lines.append(
            row
            | {
                name: None if found is None else _finite(vars(found))
                for name, found in (("own", line.own), ("difference", line.difference))
            }
        )
    verdict = {"name": done.verdict.name, "why": done.verdict.why}
    design = {"name": done.design.name, "sweep": done.design.digest, "seeds": list(done.design.seeds)}
    return {"folder": str(done.folder), **design, "verdict": verdict, "runs": runs, "table": lines}


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value if value is None or isfinite(value) else None for name, value in values.items()}


def _show_table(done: Sweep) -> None:
    """Print what was measured and what forgetting led to: a block for each measure, a line for each variant."""
    console, compared = Console(), len(done.design.variants) > 1
    heads = ("", "runs", "mean", "95 % interval", *(("difference to the first", "95 % interval") if compared else ()))
    known = [line for line in done.lines if line.measure.group != "costs"]
    rows = [_row(done, line, compared) for line in known]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    console.print(f"{done.design.name}: means over seeds", _aligned(heads, widths), sep="\n", style="bold", soft_wrap=True, markup=False)
    for measure, own in groupby(zip(known, rows, strict=True), key=lambda pair: pair[0].measure):
        console.print(f"{measure.name} ({measure.unit})", soft_wrap=True, markup=False, highlight=False)
        for _, row in own:
            console.print(_aligned(row, widths), soft_wrap=True, markup=False, highlight=False)
    console.print(f"costs stand in {TABLE}", highlight=False)


def _row(done: Sweep, line: Line, compared: bool) -> tuple[str, ...]:
    texts = (*told(line.own), *(told(line.difference) if compared else ()))
    return f"  {done.design.labels[line.variant]}", str(line.own.n), *texts


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(row, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]).rstrip()
