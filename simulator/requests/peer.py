"""Departures of peers that must be forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from server.timeline import Erasure, Round
from simulator.requests.changes import same_life, with_erasures, with_rounds
from simulator.requests.contract import Request
from simulator.requests.traces import left_over
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore

_BY_PEER = ("forget", "arrive", "correct", "crash", "late", "generation", "erase")
"""Fields of rounds, of any task, that are keyed by peer."""


class PeerRequest(Request):
    """One generation of a peer must be forgotten with all its data."""

    subject: ClassVar[str] = "peer {peer} and its {count}"
    short: ClassVar[str] = "peer {peer}"
    sentence: ClassVar[str] = "{peers} left and had to be forgotten"

    def without(self, plan: Plan, erasure: Erasure) -> Plan:
        """Return the plan in which this generation of the peer never takes part."""
        peer = erasure.peer
        starts = [now.round for now in plan.timeline.rounds if now.generation.get(peer) == erasure.generation]
        first = 1 if erasure.generation == 0 else min(starts, default=erasure.round)

        def change(now: Round) -> Round:
            if not first <= now.round <= erasure.round:
                return now
            absent: dict[str, Any] = {"erased": _less(now.erased, peer)} if now.round == erasure.round else {}
            if now.round < erasure.round:
                absent = {
                    "present": _less(now.present, peer),
                    "members": _less(now.members, peer),
                    "refusing": _less(now.refusing, peer),
                    **{name: {p: v for p, v in getattr(now, name).items() if p != peer} for name in _BY_PEER if hasattr(now, name)},
                }
            return now.model_copy(update=absent)

        plan = with_rounds(plan, change)
        return with_erasures(plan, (one for one in plan.timeline.erasures if not same_life(one, erasure)))

    def problems(self, erasure: Erasure, plan: Plan, store: RunStore) -> Iterator[str]:
        """Yield a line for every remaining reference to the erased generation's artefacts, and every remaining file."""
        who = self.name(erasure)
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
        yield from left_over(who, {name for pair in rows for name in pair} - _later(erasure, store), store)

    def name(self, erasure: Erasure) -> str:
        """Return the name of an erasure in the output of ``lethe verify``."""
        return f"erasure {erasure.index} (peer {erasure.peer})"


def _less(peers: Iterable[int], gone: int) -> tuple[int, ...]:
    """Return the peers without one."""
    return tuple(peer for peer in peers if peer != gone)


def _later(erasure: Erasure, store: RunStore) -> set[str]:
    """Return artefacts that a rejoined peer has made since the erasure, because sums over the same rows give the same bytes."""
    query = "select main, seed from states where peer = ? and generation > ?"
    return {name for pair in store.rows(query, (erasure.peer, erasure.generation)) for name in pair}
