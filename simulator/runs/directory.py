"""Run directories: their atomic creation, their lock, and the reading of their plans."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
import secrets
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from clients import wire
from simulator.errors import LetheError
from simulator.plugins import by_hand, refuse_unknown, versions
from simulator.requests import request_of
from simulator.runs import loaded
from simulator.scenarios.plan import Plan
from simulator.storage.reading import connected
from simulator.storage.store import LAYOUT, RunStore
from simulator.tasks.contract import plan_of
from simulator.version import __version__

RESULTS, REPORT = "results.json", "report.html"
"""Names of the files that are made from a finished run's ledger."""

PACKAGES = ("flwr", "ray", "torch", "numpy", "scikit-learn", "networkx", "pydantic", "grpcio")


def read_plan(folder: Path) -> Plan:
    """Return the plan of a run directory; ``LetheError`` if the folder is none, or this version cannot read it."""
    if not (folder / "run.sqlite").is_file() or not (folder / "plan.json").is_file():
        raise LetheError(f"{folder}: not a run directory (no plan.json and run.sqlite in it): give the path that `lethe run` printed last")
    again = f"run {folder / 'scenario.toml'} again, or use the version that made it"
    if (layout := layout_of(folder)) != LAYOUT:
        raise LetheError(f"{folder}: made by another version of lethe (layout {layout or 'not told'}, this one reads {LAYOUT}): {again}")
    refuse_unknown(_meta(folder, "registered"), folder)
    try:
        plan = plan_of((folder / "plan.json").read_text(encoding="utf-8"))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        what = str(error).partition("\n")[0]
        raise LetheError(f"{folder}: plan.json is no plan that this version reads ({what}): {again}") from None
    try:
        for erasure in plan.timeline.erasures:
            request_of(erasure.kind)
    except LetheError as error:
        raise LetheError(f"{folder}: {error}") from None
    return plan


def make_directory(plan: Plan, out: Path) -> Path:
    """Create the run directory of a plan in ``out``, atomically, and return its path; ``LetheError`` if it cannot be created."""
    try:
        return _made(plan, out)
    except (OSError, sqlite3.OperationalError) as error:
        raise LetheError(f"{out}: no run directory can be made there ({reason(error)}): give another folder with --out") from None


def reason(error: Exception) -> str:
    """Return the cause of a failure to read or write, in a few words."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _made(plan: Plan, out: Path) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    stem = plan.stem
    unfinished = out / f".{stem}.{secrets.token_hex(8)}"  # not the pid, under which a killed process may have left one
    unfinished.mkdir()
    try:
        text = plan.model_dump_json()
        (unfinished / "scenario.toml").write_text(plan.scenario.to_toml(), encoding="utf-8")
        (unfinished / "plan.json").write_text(text, encoding="utf-8")
        store = RunStore(unfinished)
        store.set_meta("layout", LAYOUT)
        store.set_meta("engine", plan.scenario.engine.kind)
        store.set_meta("plan", plan.digest)
        store.set_meta("plan.json", wire.sha256(text.encode()))
        store.set_meta(loaded.KEY, loaded.fingerprint(loaded.dataset(plan)))
        if used := by_hand(plan):
            store.set_meta("registered", json.dumps(used))
        own = {"lethe": __version__, "python": platform.python_version()}
        store.set_meta("versions", json.dumps({**own, **_versions(), **versions(plan)}))
        store.close()
        for number in range(1, 10_000):
            folder = out / (stem if number == 1 else f"{stem}-{number}")
            if not folder.exists() and _renamed(unfinished, folder):
                return folder
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    raise LetheError(f"{out}: {stem} was run 9,999 times: move some of its run directories away")


def _renamed(unfinished: Path, folder: Path) -> bool:
    """Return whether a directory has got its name; not if another process has taken it in between."""
    try:
        unfinished.rename(folder)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _versions() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES}


@contextmanager
def only_one(folder: Path, patience: float = 0.0) -> Iterator[int]:
    """Lock a directory against other processes; yields the file descriptor that holds the lock, which child processes may inherit.

    ``LetheError`` if another process still holds the lock after ``patience`` seconds.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        _hold(handle, folder, time.monotonic() + patience)
        yield handle
    finally:
        os.close(handle)


def _hold(handle: int, folder: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise LetheError(f"{folder}: another process is working on it: wait for it, or end it") from None
            time.sleep(0.1)
        else:
            return


def layout_of(folder: Path) -> str | None:
    """Return the layout of a run directory, None if it is older than the numbering of layouts.

    ``LetheError`` if its ledger is no database.
    """
    return _meta(folder, "layout")


def _meta(folder: Path, key: str) -> str | None:
    """Return the value of a key of the ledger's table meta, or None; nothing is written into the folder."""
    path = folder / "run.sqlite"
    try:
        with connected(path) as db:
            row = db.execute("select value from meta where key = ?", (key,)).fetchone()
    except sqlite3.DatabaseError as error:
        raise LetheError(f"{path}: is not the ledger of a run ({error}): run the scenario again") from None
    except OSError as error:
        raise LetheError(f"{path}: cannot be read ({error.strerror}): let whoever starts lethe read the run directory") from None
    return None if row is None else str(row[0])
