"""The end of ``lethe run`` and ``lethe resume``: results, run directory, and last the verdict."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from simulator.errors import one_line
from simulator.runner import resume
from simulator.runs.expectations import when
from simulator.runs.run import Run
from simulator.runs.verdict import Verdict
from simulator.stopping import interruptible
from simulator.terminal.results import show_results

_STYLES = {"good": "bold green", "open": "bold", "bad": "bold red"}


def carry_on(folder: Path, *, json: bool = False) -> Run:
    """Play a run to its end, and print the end; an interruption is reported with the command that resumes the run.

    Results and run directory go to standard output, with ``json`` as JSON; the verdict is the last line on standard error.
    """
    with interruptible(f"nothing committed is lost: lethe resume {folder}"):
        done = resume(folder)
    if json:
        typer.echo(dumps(as_json(done), indent=1))
    else:
        show_results(done)
        typer.echo(done.folder)
    for one in done.unmet:
        typer.echo(f"expectation {one['expect']} failed {when(one['after'])}: expected {one['expected']}; {one['found']}", err=True)
    show_verdict(done, Console(stderr=True))
    return done


def exit_status(run: Run) -> int:
    """Return the exit status of a command that played a run: 0 if the verdict is proven or measured, else 1."""
    return 0 if Verdict.of(run.results).holds else 1


def as_json(run: Run) -> dict[str, Any]:
    """Return the run directory and the content of ``results.json``."""
    return {"folder": str(run.folder), **run.results}


def show_verdict(run: Run, console: Console) -> None:
    """Print the verdict on a run as one line, in red if it does not hold."""
    print_verdict(Verdict.of(run.results), console)


def print_verdict(found: Verdict, console: Console) -> None:
    """Print a verdict as one line, in red if it does not hold."""
    console.print(Text(one_line(found.line), _STYLES[found.level]), soft_wrap=True)
