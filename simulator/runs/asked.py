"""Check that a finished run's ledger contains everything that its plan requires: counterfactuals, receipts, outcomes."""

from __future__ import annotations

from collections.abc import Iterator

from server.timeline import Erasure
from simulator.audits.contract import RETRAINED, keys
from simulator.requests import request_of
from simulator.runs.audits import figures, of_erasures
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore


def missing(plan: Plan, store: RunStore) -> Iterator[str]:
    """Yield a line for everything that the plan requires and the ledger lacks; consistent hashes do not exclude such gaps."""
    owed = set(store.rows("select erasure, holder from owed"))
    given = set(store.rows("select erasure, holder from receipts"))
    for erasure in plan.timeline.erasures:
        who = request_of(erasure.kind).name(erasure)
        if _compared(plan, store, erasure) and store.audit(f"never-{erasure.request}") is None:
            yield f"{who}: audits speak of the run in which it never was, but its hashes are missing"
        due = {(erasure.index, holder) for holder in _holders(plan, store, erasure)}
        for _, holder in sorted(due - owed):
            yield f"{who}: peer {holder} held a seed that it had to drop, but the ledger asks for no receipt"
        answered = plan.timeline.departs(erasure) and due <= given and not plan.awaited(erasure)
        if answered and erasure.index not in store.outcomes():
            yield f"{who}: nothing says how it was carried out, though nobody owes a receipt"


def destroyed(plan: Plan, erasure: Erasure) -> set[int]:
    """Return the peers that were erased in a later round, and their copies with them: no receipt is due from them.

    It is from those that had refused to drop a copy.
    """
    rounds = plan.timeline.rounds
    refused, gone = set(rounds[erasure.round - 1].refusing), set[int]()
    for now in rounds[erasure.round :]:
        gone |= set(now.erased) - refused
        refused |= set(now.refusing)
    return gone


def _compared(plan: Plan, store: RunStore, erasure: Erasure) -> bool:
    """Return whether an audit reports figures of the counterfactual, for which it must have been played."""
    for name, spec in of_erasures(plan, store).items():
        rows = dict(keys(spec.columns))
        if any(rows.get(key) == RETRAINED and value is not None for key, value in figures(store, name, erasure).items()):
            return True
    return False


def _holders(plan: Plan, store: RunStore, erasure: Erasure) -> list[int]:
    """Return the peers that held a seed of the erased peer when the request came, and stayed in the federation."""
    now = plan.timeline.rounds[erasure.round - 1]
    held = store.rows(
        "select holder from holdings where owner = ? and since < ? and (until is null or until >= ?) order by 1",
        (erasure.peer, erasure.round, erasure.round),
    )
    return [holder for (holder,) in held if holder in now.members and holder not in now.erased]
