"""Writing of a run's report."""

from __future__ import annotations

import json
from pathlib import Path

from simulator.errors import LetheError, StoppedError, is_full
from simulator.report.collect import collect
from simulator.report.render import render
from simulator.runs.directory import REPORT, RESULTS, read_plan, reason
from simulator.runs.written import as_text, behind, write_whole
from simulator.scenarios.plan import Plan
from simulator.storage.reading import reading
from simulator.storage.store import RunStore


def page(folder: Path) -> str:
    """Return the report of a finished run as HTML; ``LetheError`` if the folder is no run directory, or the run not finished."""
    return render(collect(folder))


def write_both(plan: Plan, store: RunStore, folder: Path) -> None:
    """Write a finished run's report, then its results, each in one step.

    Results come last: where they lack an audit that the ledger has, the report may lack it, too.
    """
    text = as_text(plan, store)
    write_whole(folder / REPORT, render(collect(folder, json.loads(text))))
    write_whole(folder / RESULTS, text)


def write_report(run_dir: Path | str, out: Path | None = None) -> Path:
    """Write the report of a finished run atomically, and return its path.

    Parameters
    ----------
    run_dir : path
        A run directory. ``results.json`` is made again there where it is missing or lacks added audits, unless the page goes elsewhere.
    out : path, optional
        Where to write the page; ``report.html`` in the run directory unless told.

    Raises
    ------
    LetheError
        If it is not a run directory, not finished, or the page cannot be written; ``StoppedError`` where only room is missing.
    """
    folder = Path(run_dir)
    path = out or folder / REPORT
    text = page(folder)
    try:
        write_whole(path, text)
        plan = read_plan(folder)
        with reading(folder) as store:
            if out is None and behind(plan, store, folder):
                write_whole(folder / RESULTS, as_text(plan, store))
    except OSError as error:
        cure = "give another file" if out else f"lethe report {folder} --out FILE writes the page elsewhere"
        kind = StoppedError if is_full(error) else LetheError
        raise kind(f"{path}: cannot be written ({reason(error)}): {cure}") from None
    return path
