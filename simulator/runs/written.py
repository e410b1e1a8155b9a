"""Reading and writing of ``results.json``, which can be made again from a finished run's ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from simulator.errors import LetheError
from simulator.runs.added import asked
from simulator.runs.directory import RESULTS
from simulator.runs.results import results
from simulator.scenarios.plan import Plan
from simulator.storage.reading import reading
from simulator.storage.store import RunStore


def read_results(plan: Plan, folder: Path) -> dict[str, Any]:
    """Return a finished run's results, from its file or, if that is missing or lacks added audits, from the ledger; nothing is written.

    ``LetheError`` if the run is not finished, or the file cannot be read.
    """
    there = (folder / RESULTS).is_file()
    found = read_file(folder) if there else {}
    with reading(folder) as store:
        if there and not lacking(found, plan, store):
            return found
        if not store.finished:
            raise LetheError(f"{folder}: the run is not finished: `lethe resume {folder}`")
        return as_read(plan, store)


def read_file(folder: Path) -> dict[str, Any]:
    """Return what ``results.json`` says; ``LetheError`` if it cannot be read."""
    path = folder / RESULTS
    try:
        found = dict(json.loads(path.read_text(encoding="utf-8")))
        if not found.keys() >= {"name", "timeline", "erasures", "verdict"}:
            raise ValueError("these are not the results of a run")
        return found
    except (OSError, ValueError, TypeError, RecursionError) as error:
        cure = f"remove it, and `lethe report {folder}` makes it again"
        raise LetheError(f"{path}: cannot be read ({error}): {cure}") from None


def behind(plan: Plan, store: RunStore, folder: Path) -> bool:
    """Return whether ``results.json`` is missing or lacks added audits: whoever added them was killed after the ledger was written."""
    return not (folder / RESULTS).is_file() or lacking(read_file(folder), plan, store)


def lacking(found: Mapping[str, Any], plan: Plan, store: RunStore) -> bool:
    """Return whether results lack an audit that was added to the run."""
    return not set(asked(plan, store)) <= set(found.get("audits", {}))


def as_read(plan: Plan, store: RunStore) -> dict[str, Any]:
    """Return the results as if read from the file, where keys are text and tuples are lists."""
    return dict(json.loads(as_text(plan, store)))


def as_text(plan: Plan, store: RunStore) -> str:
    """Return the content of ``results.json``."""
    return json.dumps(results(plan, store), indent=1)


def write_whole(path: Path, text: str) -> None:
    """Write a file atomically; ``OSError`` if it cannot be written."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
