"""Verification, from a run directory, that an averaging server kept nothing of the erased data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from server.averaging.history import UPDATE
from server.averaging.methods import method_of

if TYPE_CHECKING:
    from server.averaging.past import Past
    from server.timeline import Timeline
    from simulator.storage.store import RunStore


def history_as_written(store: RunStore) -> Iterator[str]:
    """Yield a line for every round whose state in the history differs from the server's state at its end."""
    query = (
        "select models.round, models.name from models join history on history.name = models.name and history.made = models.round "
        "where history.since = models.round and history.sha256 != models.sha256 order by 1, 2"
    )
    for number, name in store.rows(query):
        yield f"round {number}: the history keeps another {name} than the server had"


def left_in_history(timeline: Timeline, past: Past, store: RunStore) -> Iterator[str]:
    """Yield a line for everything that is kept although it was made with erased data.

    After an exact erasure these are the original models, moments and updates of all rounds from the first contact on; after any other,
    the updates of the peer itself.
    """
    yield from history_as_written(store)
    alive, there = store.alive(), store.on_disk()
    for erasure in timeline.erasures:
        who = f"erasure {erasure.index} ({erasure.kind} of peer {erasure.peer})"
        contact = past.contact(erasure.round)
        exact = method_of(erasure).guarantee == "exact"
        mine = "name = ? and peer = ?" if not exact else "(1 or name = ? or peer = ?)"
        rows = store.rows(
            f"select name, made, sha256, until from history where {mine} and made >= ? and made < ? and since < ? order by made, name",
            (UPDATE, erasure.peer, contact, erasure.round, erasure.round),
        )
        for name, made, sha256, until in rows:
            if until is None or until > erasure.round:
                yield f"{who}: {name} of round {made} was made with it, and is still kept after round {erasure.round}"
            elif sha256 in there - alive:
                yield f"{who}: artefacts/{sha256}.safetensors, {name} of round {made}, is still there"
