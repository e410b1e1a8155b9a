"""Prove a run again from what lies in its directory: hashes, receipts, and that what was erased is nowhere.

The ledger's rows are chained by hash, so a change of any row shows, but whoever can write to the directory can also write a new
chain: keep the digest elsewhere if that matters.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clients import wire
from clients.participant import EDGES, ROWS
from server.timeline import Erasure
from simulator.errors import LetheError
from simulator.runs import audits
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
            found += _erased(erasure, store) if erasure.kind == "peer" else _forgotten(erasure, store)
            found += _exact(erasure, plan, store)
        found += audits.problems(plan, store)
        return [*found, *cell_of(plan).problems(plan, store), *_results(plan, store, folder)]
    finally:
        store.close()


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


def _erased(erasure: Erasure, store: RunStore) -> Iterator[str]:
    """Check that no pointer and no file of an erased peer's generation is left."""
    who = f"erasure {erasure.index} (peer {erasure.peer})"
    mailbox = store.mailbox()
    for holder, seeds in mailbox.held.items():
        parcel = seeds.get(erasure.peer)
        if parcel and parcel.generation <= erasure.generation:
            yield f"{who}: peer {holder} still holds its seed, version {parcel.version}"
    for parcel in [*mailbox.newest.values(), *mailbox.coming]:
        if parcel.owner == erasure.peer and parcel.generation <= erasure.generation:
            yield f"{who}: its seed, version {parcel.version}, is still in the mailbox"
    state = store.states().get(erasure.peer)
    if state and state.generation <= erasure.generation:
        yield f"{who}: its last state is still in the journal"
    rows = store.rows("select main, seed from states where peer = ? and generation <= ?", (erasure.peer, erasure.generation))
    yield from _left_over(who, {name for pair in rows for name in pair} - _later(erasure, store), store)


def _later(erasure: Erasure, store: RunStore) -> set[str]:
    """Return what an erased peer that came back has made since: sums over the same rows are the same bytes again."""
    query = "select main, seed from states where peer = ? and generation > ?"
    return {name for pair in store.rows(query, (erasure.peer, erasure.generation)) for name in pair}


def _forgotten(erasure: Erasure, store: RunStore) -> Iterator[str]:
    """Check that the peer's main artefact does not know the rows or edges, and that nothing older of the peer is left."""
    who = f"erasure {erasure.index} ({erasure.kind} of peer {erasure.peer})"
    query = "select min(round) from metrics where name = 'unlearning_steps' and peer = ? and round >= ?"
    ((done,),) = store.rows(query, (erasure.peer, erasure.round))
    state = store.states().get(erasure.peer)
    if state is None:
        return  # the peer itself was erased later, or never trained
    if done is None:
        yield f"{who}: the peer has not come back to forget them"
        return
    try:
        main = wire.from_bytes(store.artefact(state.main))
    except LetheError:
        return  # an artefact that is missing or changed has been told of
    if left := _known(erasure, main):
        yield f"{who}: its main model still knows {len(left)} of them, the first is {left[0]}"
    rows = store.rows("select main, seed from states where peer = ? and round < ?", (erasure.peer, done))
    yield from _left_over(who, {name for pair in rows for name in pair} - {state.main, state.seed}, store)


def _known(erasure: Erasure, main: Mapping[str, npt.NDArray[Any]]) -> list[Any]:
    """Return which of the rows, or edges, a main artefact still knows."""
    there = {edge: edge in main[EDGES] if EDGES in main else np.isin(ends, main[ROWS]).all() for edge, ends in erasure.edges.items()}
    return [*np.intersect1d(main[ROWS], erasure.rows), *(list(ends) for edge, ends in erasure.edges.items() if there[edge])]


def _left_over(who: str, hashes: set[str], store: RunStore) -> Iterator[str]:
    for name in sorted(hashes & store.on_disk()):
        yield f"{who}: artefacts/{name}.safetensors is still there"


def _exact(erasure: Erasure, plan: Plan, store: RunStore) -> Iterator[str]:
    """Check what claims to be exact against the stored hashes of its counterfactual."""
    never = store.audit(f"never-{erasure.request}")
    if never is None or cell_of(plan).method(plan, erasure)[1] != "exact":
        return
    who = f"erasure {erasure.index} ({erasure.kind} of peer {erasure.peer})"
    difference = audits.audited(plan, store, erasure).get("max_abs_difference")
    if difference:
        yield f"{who}: differs by {difference:.3g} from the run in which it never was"
    ends = {peer: tuple(state) for _, peer, *state in never["states"]}
    final = dict(never["probabilities"])
    for peer, state in store.states().items():
        if peer in ends and peer in final and ends[peer] != (state.generation, state.main, state.seed):
            yield f"{who}: peer {peer} ends with other bytes than in the run in which it never was"


def _results(plan: Plan, store: RunStore, folder: Path) -> Iterator[str]:
    try:
        written = json.loads((folder / "results.json").read_text())
    except (OSError, ValueError) as error:
        yield f"results.json: cannot be read ({error}): `lethe report {folder}` does not make it, the run's own copy is lost"
        return
    if written != json.loads(json.dumps(results(plan, store))):
        yield "results.json: says something else than the ledger"
