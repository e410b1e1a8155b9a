"""Verification, from a run directory, that peers that had to forget or to correct rows send seeds of the main models that they have now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from clients.classification.config import ClassifierConfig
from simulator.storage.machines import alike_here

if TYPE_CHECKING:
    from simulator.scenarios.plan import Plan
    from simulator.storage.store import RunStore
    from simulator.tasks.classification.hdus.plan import HdusPlan


def stale(plan: HdusPlan, store: RunStore) -> Iterator[str]:
    """Yield a line for every peer with requests whose seed is not the one that its main model distils.

    A seed follows from main model, public rows and key. It is distilled again and compared byte by byte, where `comparable` allows it.
    """
    from clients.classification.hdus.peer import Peer
    from simulator.engines.host import one_thread
    from simulator.tasks.replica import peers_at_end

    due = asked(plan)
    if not due or not comparable(plan, store):
        return
    with one_thread():
        for number, peer in peers_at_end(plan, store).items():
            assert isinstance(peer, Peer)
            if (number, peer.config.generation) not in due or peer.update is None:
                continue
            sent = peer.update.blob
            with peer.config.computing():
                peer.distil()
            if peer.update.blob != sent:
                yield f"peer {number}: its seed is not the one that its main model distils, as one from before a request would not be"


def unchecked(plan: Plan, store: RunStore) -> Iterator[str]:
    """Yield a line if seeds that should be compared cannot be compared here."""
    if asked(plan) and not comparable(plan, store):
        yield "whether peers with requests send seeds of the main models that they have now: bits come out otherwise here than in the run"


def comparable(plan: Plan, store: RunStore) -> bool:
    """Return whether seeds distilled here have the bits of the run: on the CPU, with keyed draws, on a machine that computes alike."""
    from simulator.engines.host import one_thread

    config = plan.configs[0]
    assert isinstance(config, ClassifierConfig)
    with one_thread():
        return not config.sequential and config.compute.device == "cpu" and alike_here(store)


def asked(plan: Plan) -> set[tuple[int, int]]:
    """Return the peers, with their generations, that had to forget or to correct rows."""
    return {(one.peer, one.generation) for one in plan.timeline.erasures if not plan.timeline.departs(one)}
