"""Verification, from a run directory, of what seed language models carry, and of whose main models they are distilled from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from clients import wire
from clients.language.publishing import GUARD
from simulator.errors import LetheError
from simulator.tasks.classification.hdus.seeds import asked, comparable

if TYPE_CHECKING:
    from simulator.storage.store import RunStore
    from simulator.tasks.language.hdus.plan import HdusLanguagePlan


def carried(plan: HdusLanguagePlan, store: RunStore) -> Iterator[str]:
    """Yield a line for every live peer whose seed lacks one of its rules, has one that is not in force, or other hashes than it should.

    Hashes of a deleted record would be such.
    """
    last = plan.rounds + 1
    for peer, state in sorted(store.states().items()):
        if peer not in plan.timeline.rounds[-1].present:
            continue
        try:
            arrays = wire.from_bytes(store.artefact(state.seed))
        except LetheError as error:
            yield str(error)
            continue
        found = {name.removeprefix(GUARD): array for name, array in arrays.items() if name.startswith(GUARD)}
        due = {rule.id: rule for rule in plan.timeline.acting(last) if rule.scope == "global" and rule.peer == peer}
        for name in sorted(due.keys() - found.keys()):
            yield f"guard {name}: is in force, and not in the seed of peer {peer}, its owner"
        for name in sorted(found.keys() - due.keys()):
            yield f"guard {name}: is not in force, and still in the seed of peer {peer}"
        for name in sorted(due.keys() & found.keys()):
            rows = plan.timeline.protected(due[name], plan.rounds)
            if not np.array_equal(found[name].ravel(), plan.configs[0].patterns(due[name], np.array(rows, np.int64)).ravel()):
                yield f"guard {name}: the seed of peer {peer} has other hashes than those of the {len(rows)} records that it protects"


def stale(plan: HdusLanguagePlan, store: RunStore) -> Iterator[str]:
    """Yield a line for every peer with requests whose seed is not the one that its main model distils; see the classifiers' check."""
    from clients.language.hdus.peer import HdusLanguagePeer
    from simulator.engines.host import one_thread
    from simulator.progress import Watch
    from simulator.tasks.language.hdus.starts import starts
    from simulator.tasks.replica import peers_at_end

    due = asked(plan)
    if not due or not comparable(plan, store):
        return
    public = {name: wire.pack(blob) for name, blob in starts(plan, Watch()).items()}
    with one_thread():
        for number, peer in peers_at_end(plan, store).items():
            assert isinstance(peer, HdusLanguagePeer)
            if (number, peer.config.generation) not in due or peer.update is None:
                continue
            sent = wire.from_bytes(peer.update.blob)
            peer.receive(public, plan.rounds + 1)
            with peer.config.computing():
                peer.distil()
            again = wire.from_bytes(peer.update.blob)
            if any(not np.array_equal(sent[name], array) for name, array in again.items()):
                yield f"peer {number}: its seed is not the one that its main model distils, as one from before a request would not be"
