"""Audits of a run that is finished: shadow models judge it, and what they find joins ledger, results and report."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from clients.progress import listening
from simulator.audits import AUDITS
from simulator.audits.contract import AuditSpec
from simulator.audits.verdicts import by_shadows
from simulator.engines.host import one_thread
from simulator.errors import LetheError, StoppedError
from simulator.progress import Watch
from simulator.runs import ledger_checks, loaded
from simulator.runs.added import asked, note
from simulator.runs.audits import audit
from simulator.runs.directory import only_one, read_plan, reason
from simulator.runs.run import Run
from simulator.runs.written import behind
from simulator.scenarios.plan import Plan
from simulator.storage.reading import reading
from simulator.storage.store import RunStore

Say = Callable[[str], object]


def add(folder: Path | str, names: Sequence[str] = (), say: Say = lambda line: None) -> Run:
    """Judge a finished run by more audits, and return it with them; its plan and its digest stay as they are.

    Parameters
    ----------
    folder : path
        The run directory.
    names : sequence of str
        Audits by shadow models; if none is named, all by which a method can pass and that the run does not have yet.
    say : callable
        Is told, in a line, what is being done.

    Raises
    ------
    LetheError
        If the run is not finished, asked for nothing to be forgotten, has such an audit, or its data have changed; nothing is written.
    StoppedError
        If something cannot be written.
    """
    folder = Path(folder)
    plan = read_plan(folder)
    with reading(folder) as store:
        specs = _wanted(plan, store, names, folder)
    try:
        with only_one(folder), closing(RunStore(folder)) as store:
            _add(plan, store, folder, specs, say)
    except (OSError, sqlite3.OperationalError) as error:
        where = getattr(error, "filename", None) or folder
        cure = "trained models are kept: give the command again"
        raise StoppedError(f"{where}: cannot be written or read ({reason(error)}); {cure}") from None
    return Run(folder)


def _wanted(plan: Plan, store: RunStore, names: Sequence[str], folder: Path) -> dict[str, AuditSpec]:
    """Return the audits to add, with their usual settings; ``LetheError`` if there is nothing to add or it cannot be."""
    if not store.finished:
        raise LetheError(f"{folder}: the run is not finished: lethe resume {folder}, then audit it")
    if not plan.timeline.erasures:
        raise LetheError(f"{folder}: nothing had to be forgotten in this run: audit one with a leave or a delete event")
    if behind(plan, store, folder):
        raise LetheError(f"{folder}: results.json lacks what the ledger has: lethe report {folder} makes both files again, then audit")
    able, there = by_shadows(), asked(plan, store)
    for place, name in enumerate(names):
        if reason := _refused(name, names[:place], able, there):
            raise LetheError(f"--with {name}: {reason}")
    if wrong := next(ledger_checks.broken(plan, store), None):
        raise LetheError(f"{folder}: {wrong}: lethe verify {folder} tells all, play the run again")
    if compared := loaded.compare(plan, store).changed:
        raise LetheError(f"{folder}: {compared}")
    chosen = [name for name, spec in able.items() if name in names or (not names and spec.passes and name not in there)]
    if not chosen:
        raise LetheError(f"{folder}: the run has every audit that is added unasked: lethe show {folder}, or name others by --with")
    return {name: able[name]() for name in chosen}


def _refused(name: str, before: Sequence[str], able: Mapping[str, Any], there: Mapping[str, Any]) -> str | None:
    """Return why an audit cannot be added, and the cure; None if it can."""
    if name not in able:
        known = f"needs other runs beside this one: set audit.{name} = true and run the scenario again" if name in AUDITS.targets() else ""
        return known or f"is no audit: take one of {', '.join(able)}"
    if name in before:
        return "is given twice: give it once"
    return "the run has this audit: leave it out" if name in there else None


def _add(plan: Plan, store: RunStore, folder: Path, specs: Mapping[str, AuditSpec], say: Say) -> None:
    """Write all rows and the new seal in one transaction, then report and results, which stay as they were until then."""
    from simulator.report.writing import write_both

    store.db.execute("begin immediate")
    try:
        for name, spec in specs.items():
            note(store, name, spec)
            say(f"{name.replace('_', ' ')}: shadow models train, forget and train on as the main models did")
            with Watch() as watch, listening(watch.loop), one_thread():  # small models, for which threads wait for each other
                audit(plan, store, _unplayed)
        store.finish()
        store.db.execute("commit")
    except BaseException:
        if store.db.in_transaction:
            store.db.execute("rollback")
        raise
    write_both(plan, store, folder)


def _unplayed(plan: Plan, store: RunStore, why: str) -> None:
    raise AssertionError("audits by shadow models look at no run beside the one that was played")
