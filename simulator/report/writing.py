"""Writing of a run's report."""

from __future__ import annotations

from pathlib import Path

from simulator.errors import LetheError, StoppedError, is_full
from simulator.report.collect import collect
from simulator.report.render import render
from simulator.runs.directory import REPORT, RESULTS, read_plan, reason
from simulator.runs.written import write_results, write_whole
from simulator.storage.reading import reading


def page(folder: Path) -> str:
    """Return the report of a finished run as HTML; ``LetheError`` if the folder is no run directory, or the run not finished."""
    return render(collect(folder))


def write_report(run_dir: Path | str, out: Path | None = None) -> Path:
    """Write the report of a finished run atomically, and return its path.

    Parameters
    ----------
    run_dir : path
        A run directory. ``results.json`` is made again there where it is missing, unless the page goes elsewhere.
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
        if out is None and not (folder / RESULTS).exists():
            with reading(folder) as store:
                write_results(read_plan(folder), store, folder)
        write_whole(path, text)
    except OSError as error:
        cure = "give another file" if out else f"lethe report {folder} --out FILE writes the page elsewhere"
        kind = StoppedError if is_full(error) else LetheError
        raise kind(f"{path}: cannot be written ({reason(error)}): {cure}") from None
    return path
