"""Rows that arrived in a run: what taking them in cost, and whether all is as if they had been given before training."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from clients import wire
from clients.participant import ROWS
from server.timeline import Arrival
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore
from simulator.tasks.contract import cell_of

if TYPE_CHECKING:
    from simulator.runs.audits import Play

EARLY = "arrived-at-once"
"""Under this name the store keeps the hashes of the run in which rows reach their peers before training."""

NOT_TAKEN = "not taken in by the end of the run"
GONE = "the peer was erased later"


def compare(plan: Plan, store: RunStore, play: Play) -> None:
    """Play the run in which rows reach their peers before training, where any arrive and counterfactuals are asked for; keep its hashes."""
    if plan.arrivals_compared and store.audit(EARLY) is None:
        early = RunStore()
        play(plan.arriving_at_once(), early, "if rows had arrived before training")
        states = {peer: (state.generation, state.main, state.seed) for peer, state in early.states().items()}
        store.set_audit(EARLY, {"states": [(peer, *state) for peer, state in sorted(states.items())]})


def rows(plan: Plan, store: RunStore) -> list[dict[str, Any]]:
    """Return what the results say of every arrival; ``equal`` is None where there was nothing to compare."""
    return [_row(one, plan, store) for one in plan.timeline.arrivals()]


def _row(one: Arrival, plan: Plan, store: RunStore) -> dict[str, Any]:
    method, guarantee, note = cell_of(plan).arrival(plan, one)
    taken = _taken(one, store)
    return {
        "round": one.round,
        "peer": one.peer,
        "rows": len(one.rows),
        "method": method,
        "guarantee": guarantee,
        "gradient_steps": int(_value(store, "metrics", "arrival_steps", one, taken)),
        "parts": int(_value(store, "metrics", "arrival_parts", one, taken)),
        "seconds": _value(store, "timings", "arrive", one, taken),
        "notes": [note] if note else [],
        "taken_in": taken,
        "equal": _equal(one, store),
    }


def _taken(one: Arrival, store: RunStore) -> int | None:
    """Return the round in which the peer took the rows in; None if it never did."""
    query = "select min(round) from metrics where name = 'arrival_steps' and peer = ? and round >= ?"
    found: int | None = store.rows(query, (one.peer, one.round))[0][0]
    return found


def _value(store: RunStore, table: str, name: str, one: Arrival, number: int | None) -> float:
    query = f"select value from {table} where name = ? and peer = ? and round = ?"
    return math.fsum(value for (value,) in store.rows(query, (name, one.peer, number)))


def _equal(one: Arrival, store: RunStore) -> bool | None:
    """Return whether the peer ends with the bytes of the run in which its rows were there before training; None if not compared."""
    early, state = store.audit(EARLY), store.states().get(one.peer)
    if early is None or state is None or state.generation != one.generation:
        return None
    ends = {peer: tuple(rest) for peer, *rest in early["states"]}
    return ends.get(one.peer) == (state.generation, state.main, state.seed)


def name(one: Arrival) -> str:
    """Return what an arrival is called."""
    return f"arrival of {len(one.rows)} rows at peer {one.peer} in round {one.round}"


def claims(plan: Plan, store: RunStore) -> list[dict[str, str]]:
    """Return what every arrival claims, and what became of it: ``what``, ``claim``, ``verdict``, ``why``."""
    return [_claim(one, plan, store) for one in plan.timeline.arrivals()]


def _claim(one: Arrival, plan: Plan, store: RunStore) -> dict[str, str]:
    row = _row(one, plan, store)
    if wrong := next(_wrong(one, row, plan, store), None):
        verdict, why = "disproved", wrong
    elif row["taken_in"] is None:
        verdict, why = "measured", NOT_TAKEN
    elif row["guarantee"] != "exact":
        verdict, why = "measured", f"claims to be {row['guarantee']}"
    elif row["equal"]:
        verdict, why = "proven", "bit for bit as if the rows had been given before training"
    else:
        compared = store.audit(EARLY) is not None
        reason = GONE if compared else "audit.counterfactual is off"
        verdict, why = "measured", f"claims to be exact, but was not compared: {reason}"
    return {"what": name(one), "claim": str(row["guarantee"]), "verdict": verdict, "why": why}


def _wrong(one: Arrival, row: dict[str, Any], plan: Plan, store: RunStore) -> Iterator[str]:
    """Yield what speaks against a claim."""
    if row["guarantee"] == "exact" and row["equal"] is False and row["taken_in"] is not None:
        yield "ends with other bytes than in the run in which the rows were given before training"
    state = store.states().get(one.peer)
    if row["taken_in"] is None or state is None or state.generation != one.generation:
        return
    forgotten = {row for now in plan.timeline.rounds if now.round >= one.round for row in now.forget.get(one.peer, ())}
    held = wire.from_bytes(store.artefact(state.main))[ROWS]
    if missing := np.setdiff1d(sorted(set(one.rows) - forgotten), held).tolist():
        yield f"{len(missing)} of them are not there at the end, the first is {missing[0]}"


def problems(plan: Plan, store: RunStore) -> Iterator[str]:
    """Yield a line for everything in a finished run that speaks against an arrival's claim."""
    if plan.arrivals_compared and store.audit(EARLY) is None:
        yield "run.sqlite: the hashes of the run in which rows arrive before training are missing"
    for one in plan.timeline.arrivals():
        for wrong in _wrong(one, _row(one, plan, store), plan, store):
            yield f"{name(one)}: {wrong}"


def unproven(plan: Plan, store: RunStore) -> Iterator[str]:
    """Yield a line for every arrival that claims exactness where the run has nothing to compare bytes with."""
    for one in plan.timeline.arrivals():
        if cell_of(plan).arrival(plan, one)[1] == "exact" and not plan.arrivals_compared:
            yield f"{name(one)}: claims exact, and the run to compare it with has not been played: set audit.counterfactual = true"
