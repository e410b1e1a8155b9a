"""Evaluation of the expectations (``[[expect]]``) of a scenario, with which it is a regression test."""

from __future__ import annotations

from typing import Any

from server.ledger import FEDERATION
from simulator.errors import LetheError
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore
from simulator.tasks.contract import cell_of


def check(plan: Plan, store: RunStore, found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row for each ``[[expect]]`` table.

    Its keys are ``expect`` (its number, from 1), ``after`` (the round), ``expected``, ``found`` (both in words) and ``met``.
    """
    judged = []
    for number, wanted in enumerate(plan.scenario.expect, start=1):
        if wanted.metric is not None:
            expected, seen, met = _metric(wanted, plan, store)
        elif wanted.absent is not None:
            expected, seen, met = _absent(wanted.absent, wanted.round(plan.rounds), store)
        else:
            expected, seen, met = _never_joined(wanted, plan, store)
        judged.append({"expect": number, "after": wanted.after, "expected": expected, "found": seen, "met": met})
    return judged


def when(after: int | str) -> str:
    """Return in words when something is expected, given the key ``after``."""
    return "after the final evaluation" if after == "final" else f"after round {after}"


def _metric(wanted: Any, plan: Plan, store: RunStore) -> tuple[str, str, bool]:
    peer = FEDERATION if wanted.peer is None else wanted.peer
    metrics = cell_of(plan).metrics(plan.configs[0])
    name = metrics.stored(wanted.metric)
    rows = store.rows("select value from metrics where round = ? and peer = ? and name = ?", (wanted.round(plan.rounds), peer, name))
    bounds = [f">= {wanted.min}"] * (wanted.min is not None) + [f"<= {wanted.max}"] * (wanted.max is not None)
    expected = f"{metrics.label(name)} {' and '.join(bounds)}" + ("" if wanted.peer is None else f" at peer {wanted.peer}")
    if not rows:
        return expected, "not measured in that round", False
    value = rows[0][0]
    if value is None:  # the ledger has no NaN
        return expected, "not a number", False
    met = (wanted.min is None or value >= wanted.min) and (wanted.max is None or value <= wanted.max)
    return expected, f"{value:.4g}", met


def _absent(peer: int, after: int, store: RunStore) -> tuple[str, str, bool]:
    query = "select distinct holder from holdings where owner = ? and since <= ? and (until is null or until > ?) order by 1"
    holders = [holder for (holder,) in store.rows(query, (peer, after, after))]
    seen = f"its seed is still held by peers {holders}" if holders else "no peer holds its seed"
    return f"peer {peer} absent", seen, not holders


def _never_joined(wanted: Any, plan: Plan, store: RunStore) -> tuple[str, str, bool]:
    """Compare the hashes of every other peer's state after a round with those of the counterfactuals of the peer's erasures."""
    expected = f"every other peer as if peer {wanted.peer} had never joined"
    timeline, after = plan.timeline, wanted.round(plan.rounds)
    erasures = [one for one in timeline.erasures if one.peer == wanted.peer and timeline.departs(one) and one.round <= after]
    run = _states_after(store.rows("select round, peer, generation, main, seed from states order by round"), after)
    for request in sorted({one.request for one in erasures}):
        erased = {one.peer for one in plan.timeline.erasures if one.request == request}
        pointers = store.audit(f"never-{request}")
        if pointers is None:
            raise LetheError(f"run.sqlite: the hashes of the run without request {request} are missing, which expectations compare with")
        never = _states_after(pointers["states"], after)
        if unlike := sorted(peer for peer in (run.keys() | never.keys()) - erased if run.get(peer) != never.get(peer)):
            return expected, f"peers {unlike} differ", False
    _, held, absent = _absent(wanted.peer, after, store)
    return expected, "equal, byte for byte" if absent else held, absent


def _states_after(rows: Any, number: int) -> dict[int, tuple[Any, ...]]:
    """Return each peer's last state up to and including a round."""
    return {peer: tuple(state) for round_, peer, *state in rows if round_ <= number}
