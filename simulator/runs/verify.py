"""Prove a run again from what lies in its directory: hashes, receipts, and that what was erased is nowhere.

The ledger's rows are chained by hash, so a change of any row shows, but whoever can write to the directory can also write a new
chain: keep the digest elsewhere if that matters.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from clients import wire
from simulator.errors import LetheError
from simulator.requests import request_of
from simulator.runs import audits
from simulator.runs.claims import unkept
from simulator.runs.directory import read_plan
from simulator.runs.results import results
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore
from simulator.tasks.contract import cell_of


def verify(folder: Path | str) -> list[str]:
    """Return one line for everything that does not hold; an empty list means that the run is proven again."""
    folder = Path(folder)
    plan = read_plan(folder)
    store = RunStore(folder)
    try:
        if not store.meta("finished"):
            return [f"{folder}: the run is not finished: `lethe resume {folder}` first"]
        if broken := list(_ledger(plan, store)):
            return broken  # what follows reads the ledger
        found = [*_artefacts(store), *_receipts(plan, store)]
        for erasure in plan.timeline.erasures:
            found += _readable(request_of(erasure.kind).problems(erasure, plan, store))
            found += _readable(unkept(erasure, plan, store))
        found += audits.problems(plan, store)
        found += [*_readable(cell_of(plan).problems(plan, store)), *_results(plan, store, folder)]
        return list(dict.fromkeys(found))
    finally:
        store.close()


def _readable(found: Iterator[str]) -> Iterator[str]:
    """Yield the lines, and one more where what they come from cannot be read."""
    try:
        yield from found
    except LetheError as error:
        yield str(error)


def _ledger(plan: Plan, store: RunStore) -> Iterator[str]:
    """Check that plan, rounds, journal and audits are as they were written."""
    if store.meta("plan") != plan.digest:
        yield "plan.json: not the plan that was played (its hash differs from the ledger's)"
    previous = ""
    journal = store.rows("select body from journal")
    for number, link, chain in store.rows("select round, journal, chain from rounds order by round"):
        if store.link(number, link, previous) != chain:
            yield f"run.sqlite: the rows of round {number} are not those that were committed"
        previous = chain
    if store.last_round() != plan.rounds + 1:
        yield f"run.sqlite: {store.last_round()} rounds, where the plan and its final evaluation make {plan.rounds + 1}"
    elif wire.sha256(str(journal[0][0]).encode()) != link:
        yield "run.sqlite: the journal is not the one that was committed last"
    for name, body, sha256 in store.rows("select name, body, sha256 from audits"):
        if wire.sha256(body.encode()) != sha256:
            yield f"run.sqlite: audit {name} is not the one that was written down"
    stray = store.rows("select distinct round from metrics where round not in (select round from rounds)")
    if stray:
        yield f"run.sqlite: metrics of rounds that were never committed: {[number for (number,) in stray]}"


def _artefacts(store: RunStore) -> Iterator[str]:
    """Check that every artefact is there, unchanged, and wanted."""
    alive, there = store.alive(), store.on_disk()
    for name in sorted(alive):
        try:
            store.artefact(name)
        except LetheError as error:
            yield str(error)
    for name in sorted(there - alive):
        yield f"artefacts/{name}: nothing in the ledger points to it"


def _receipts(plan: Plan, store: RunStore) -> Iterator[str]:
    """Check that every receipt that was due came, and names the bytes that its holder had."""
    receipts = store.rows("select round, erasure, holder, owner, version, sha256 from receipts")
    given = {(erasure, holder) for _, erasure, holder, *_ in receipts}
    for erasure, holder in store.rows("select erasure, holder from owed order by 1, 2"):
        if (erasure, holder) not in given:
            owner = plan.timeline.erasures[erasure].peer
            yield f"erasure {erasure} (peer {owner}): peer {holder} gave no receipt for the seed it held"
    for number, erasure, holder, owner, version, sha256 in receipts:
        held = store.rows(
            "select 1 from holdings where holder = ? and owner = ? and version = ? and sha256 = ? and until = ?",
            (holder, owner, version, sha256, number),
        )
        if not held:
            yield f"erasure {erasure}: the receipt of peer {holder} in round {number} names a seed of peer {owner} that it did not hold"


def _results(plan: Plan, store: RunStore, folder: Path) -> Iterator[str]:
    try:
        written = json.loads((folder / "results.json").read_text())
    except (OSError, ValueError) as error:
        yield f"results.json: cannot be read ({error}): `lethe report {folder}` does not make it, the run's own copy is lost"
        return
    if written != json.loads(json.dumps(results(plan, store))):
        yield "results.json: says something else than the ledger"
