"""What peers and the server store at the end of a run, in bytes: what they keep so that they can predict, train on and forget."""

from __future__ import annotations

from typing import Any

from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore


def stored(plan: Plan, store: RunStore) -> dict[str, Any]:
    """Return what the results say of it.

    ``peers`` has a line a peer that is left: ``main`` is the size of its main artefact (of the unlearner the weights, checkpoints, sums or
    trees, and the ids of its rows; the rows themselves are the peer's data), ``seed`` that of its own seed or update, ``held`` that of the
    seeds of others. ``server`` is the size of the models and updates that a server keeps to play rounds again. None where an artefact
    is not there.
    """
    mailbox = store.mailbox()
    peers = [
        {
            "peer": peer,
            "model": plan.config(peer, state.generation).model,
            "main": store.size(state.main),
            "seed": store.size(state.seed),
            "held": sum(parcel.size for parcel in mailbox.held.get(peer, {}).values()),
        }
        for peer, state in sorted(store.states().items())
    ]
    return {"peers": peers, "server": sum(one.size for one in store.history())}
