"""The peers of a run at its end, restored from the run store for audits and notebooks."""

from __future__ import annotations

from clients.participant import Participant, Update, role
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore


def peers_at_end(plan: Plan, store: RunStore) -> dict[int, Participant]:
    """Return every peer of the final evaluation by id, with its main model, its own seed, and the seeds that it holds."""
    states, mailbox = store.states(), store.mailbox()
    peers: dict[int, Participant] = {}
    for peer in plan.timeline.rounds[-1].present:
        if peer not in states:  # it crashed in every round
            continue
        state = states[peer]
        config = plan.config(peer, state.generation)
        one = role(config).restored(config, store.artefact(state.main))
        one.update = Update(state.version, store.artefact(state.seed))
        one.held = {owner: Update(parcel.version, store.artefact(parcel.sha256)) for owner, parcel in mailbox.held.get(peer, {}).items()}
        peers[peer] = one
    return peers
