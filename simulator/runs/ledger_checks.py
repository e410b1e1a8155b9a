"""Checks that a finished run's ledger is as it was written: its tables, its rows, and their chain of hashes."""

from __future__ import annotations

import json
from collections.abc import Iterator

from clients import wire
from simulator.scenarios.plan import Plan
from simulator.storage import chain, tables
from simulator.storage.store import RunStore


def broken(plan: Plan, store: RunStore) -> Iterator[str]:
    """Yield a line for everything in a ledger that is not as it was written; all other checks assume that there is none."""
    if wrong := [*_schema(store), *_damage(store)]:
        yield from wrong
        return
    if store.meta("plan") != plan.digest:
        yield "plan.json: not the plan that was played (its hash differs from the ledger's)"
    yield from _rounds(plan, store)
    yield from _strays(store)
    yield from _audits(store)
    yield from _seal(store)


def _schema(store: RunStore) -> Iterator[str]:
    """Yield a line for every table, trigger, view or index that a ledger lacks, should not have, or has in another form."""
    wanted, found = tables.own(), tables.described(store.db)
    for kind, name in sorted(found.keys() - wanted.keys()):
        yield f"run.sqlite: {kind} {name} is none of a run's ledger"
    for kind, name in sorted(wanted.keys() - found.keys()):
        yield f"run.sqlite: {kind} {name} is missing"
    for kind, name in sorted(one for one in found.keys() & wanted.keys() if found[one] != wanted[one]):
        yield f"run.sqlite: {kind} {name} is made otherwise than in a run's ledger"


def _damage(store: RunStore) -> Iterator[str]:
    """Yield a line for every fault that SQLite's integrity check finds in the file and its indices."""
    for (said,) in store.rows("pragma integrity_check(3)"):
        if said != "ok":
            yield f"run.sqlite: damaged: {said}"


def _rounds(plan: Plan, store: RunStore) -> Iterator[str]:
    """Yield a line for every break of the chain of rounds, a wrong number of rounds, and a wrong journal."""
    previous = link = ""
    rounds = store.rows("select round, journal, chain from rounds order by round")
    for number, link, here in rounds:
        if store.link(number, link, previous) != here:
            yield f"run.sqlite: the rows of round {number} are not those that were committed"
        previous = here
    wanted = list(range(1, plan.rounds + 2))
    if [number for number, *_ in rounds] != wanted:
        yield f"run.sqlite: {len(rounds)} rounds, where the plan and its final evaluation make {len(wanted)}"
    elif [wire.sha256(str(body).encode()) for (body,) in store.rows("select body from journal")] != [link]:
        yield "run.sqlite: the journal is not the one that was committed last"


def _strays(store: RunStore) -> Iterator[str]:
    """Yield a line for every table with rows of rounds that are not in the chain."""
    for kind, table in sorted(tables.own()):
        edges = [name for name in tables.columns(store.db, table) if name in tables.EDGES] if kind == "table" and table != "rounds" else []
        for edge in edges:
            empty = "0" if edge == "until" else f"{edge} is null"
            query = f"select distinct {edge} from {table} where {empty} or {edge} not in (select round from rounds) order by 1"
            if found := [number for (number,) in store.rows(query)]:
                yield f"run.sqlite: {table} of rounds that were never committed: {found}"


def _audits(store: RunStore) -> Iterator[str]:
    """Yield a line for every break of the chain of audits, which continues that of the rounds."""
    previous = chain.last_link(store.db)
    for name, body, here in store.rows("select name, body, chain from audits order by rowid"):
        if chain.audit_link(previous, name, body) != here:
            yield f"run.sqlite: audit {name} is not the one that was written down, or not in its place"
        previous = here


def _seal(store: RunStore) -> Iterator[str]:
    """Yield a line for every table whose hash differs from the one recorded when the run was finished."""
    try:
        wanted = dict(json.loads(str(store.meta(chain.SEAL))))
    except (ValueError, TypeError):
        yield f"run.sqlite: table meta: {chain.SEAL} does not hold the hashes of the tables"
        return
    found = chain.seal(store.db)
    for table in sorted(found.keys() | wanted.keys()):
        if found.get(table) != wanted.get(table):
            yield f"run.sqlite: table {table} is not as it was when the run was finished"
