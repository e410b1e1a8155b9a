"""The directory of a sweep: held by one process, without links, and runs that are found in it again by the hash of their plan."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from simulator.errors import LetheError
from simulator.runner import whole
from simulator.runs import folder_checks
from simulator.runs.directory import make_directory, only_one, read_plan, reason
from simulator.scenarios.resolution import resolve
from simulator.sweeps.design import Design, Planned

RUNS, TABLE, LATEX, REPORT = "runs", "table.csv", "table.tex", "report.html"

PATIENCE = 20.0
"""Seconds that are waited for the processes of a killed sweep to end."""


@contextmanager
def held(design: Design, out: Path) -> Iterator[tuple[Path, int]]:
    """Make the directory of a sweep where there is none, and hold it; yields it, and what holds it as a file descriptor.

    What a killed process left unfinished is removed. ``LetheError`` if it cannot be made, has links in it, or another process holds it.
    """
    folder = out / f"{design.name}-{design.digest[:8]}"
    _refuse_links(folder)
    try:
        (folder / RUNS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LetheError(f"{out}: no directory of a sweep can be made there ({reason(error)}): give another folder with --out") from None
    with only_one(folder, PATIENCE) as lock:
        for left in (folder / RUNS).glob(".*"):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)
        yield folder, lock


def _refuse_links(folder: Path) -> None:
    """Raise ``LetheError`` if there is a link where the sweep writes: what it leads to would be changed."""
    names = [name for path in (TABLE, LATEX, REPORT) for name in (path, f"{path}.unfinished")]
    for path in (folder, folder / RUNS, *(folder / name for name in names)):
        if path.is_symlink():
            raise LetheError(f"{path}: is a link, and a sweep follows none: remove it")
    for path in (folder / RUNS).glob("*"):
        if path.is_symlink():
            raise LetheError(f"{path}: is a link, and a sweep follows none: remove it")


def run_directory(folder: Path, one: Planned) -> Path:
    """Return the directory of a run of a sweep: where it was begun, as a copy where another sweep beside it has finished it, or a new one.

    ``LetheError`` if what is there cannot be read, or none can be made.
    """
    runs = folder / RUNS
    return found(runs, one) or _copied(folder, one) or make_directory(resolve(one.scenario), runs)


def found(runs: Path, one: Planned) -> Path | None:
    """Return the directory in ``runs`` of a run with this plan, finished or not, None if there is none.

    ``LetheError`` if one that by its name should be this run cannot be read, or has a link in it.
    """
    for folder in sorted(runs.glob(f"{one.stem}*")):
        if wrong := next(folder_checks.links(folder), None):
            raise LetheError(f"{folder}/{wrong}: remove {folder}, and the same command plays the run again")
        if read_plan(folder).digest == one.digest:
            return folder
    return None


def _copied(folder: Path, one: Planned) -> Path | None:
    """Copy a finished run with this plan from another sweep in the same folder atomically; None if there is none."""
    for other in sorted(folder.parent.iterdir()):
        if other == folder or other.is_symlink() or (other / RUNS).is_symlink():
            continue
        unfinished = folder / RUNS / f".{one.stem}.{os.getpid()}"
        with suppress(LetheError, OSError, sqlite3.Error):  # whatever is wrong with another sweep, the run can be played here
            source = found(other / RUNS, one)
            if source is not None and whole(source):
                shutil.copytree(source, unfinished, symlinks=True)
                return unfinished.rename(folder / RUNS / one.stem)
        shutil.rmtree(unfinished, ignore_errors=True)
    return None
