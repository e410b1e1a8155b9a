"""What a comparison looks at: the peers whose models may retain a trace, and the rows on which they are asked."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from clients.data.rows import Ids
from server.timeline import Erasure
from simulator.runs.comparisons.figures import Judged
from simulator.scenarios.compare import Comparison
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore
from simulator.tasks.contract import cell_of


def judged(plan: Plan, one: Comparison, before: RunStore) -> Judged:
    """Return what a comparison looks at; ``before`` is the ledger before the request.

    Peers that share a model are judged by one of them, on the rows of all. Of others, the owner of forgotten rows is judged on them and on
    its own remaining rows, and whoever held the seed of a departed peer, or was about to, on that peer's rows and on its own.
    """
    asked = [erasure for erasure in plan.timeline.erasures if erasure.request == one.request]
    now = plan.timeline.rounds[one.last - 1]
    forgotten = {row for erasure in asked for row in erasure.rows}
    if cell_of(plan).pooled:
        left = sorted({row for peer in now.members for row in held(plan, peer, one.last)} - forgotten)
        return Judged(now.present[:1], dict.fromkeys(now.present[:1], _ids(forgotten)), dict.fromkeys(now.present[:1], _ids(left)))
    rows: dict[int, set[int]] = {}
    for erasure in asked:
        for peer in _targets(plan, erasure, before):
            rows.setdefault(peer, set()).update(erasure.rows)
    peers = tuple(sorted(rows.keys() & set(now.present)))
    return Judged(
        peers, {peer: _ids(rows[peer]) for peer in peers}, {peer: _ids(set(held(plan, peer, one.last)) - forgotten) for peer in peers}
    )


def _targets(plan: Plan, erasure: Erasure, before: RunStore) -> Iterable[int]:
    """Return the owner of rows that must be forgotten, or whoever holds a departed peer's seed or was about to receive it."""
    if not plan.timeline.departs(erasure):
        return (erasure.peer,)
    holders = {holder for holder, seeds in before.mailbox().held.items() if erasure.peer in seeds}
    edges = plan.timeline.rounds[erasure.round - 2].edges if erasure.round > 1 else ()
    return holders | {peer for edge in edges if erasure.peer in edge for peer in edge if peer != erasure.peer}


def held(plan: Plan, peer: int, last: int) -> list[int]:
    """Return the ids of the rows that a peer has after a round, those that arrived included, those to forget not, ascending."""
    rows: set[int] = set(plan.configs[peer].rows)
    for now in plan.timeline.rounds[:last]:
        if peer in now.generation:
            rows = set(plan.config(peer, now.generation[peer]).rows)
        rows |= set(now.arrive.get(peer, ()))
        rows -= set(now.forget.get(peer, ()))
    return sorted(rows)


def _ids(rows: Iterable[int]) -> Ids:
    return np.asarray(sorted(rows), dtype=np.int64)
