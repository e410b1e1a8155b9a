"""How well seeds mimic their main models at the end of a run: measured once, written down in the ledger beside what digests cover."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from simulator.tasks.classification.hdus.plan import HdusPlan

if TYPE_CHECKING:
    from simulator.storage.store import RunStore

KEY = "mimicry"
"""Under this key of the ledger's table meta stands what was measured."""


def measured(plan: HdusPlan, store: RunStore) -> str:
    """Return, as JSON, each live peer's seed beside its main model; ``DataError`` if the data are not here."""
    from clients.classification.hdus.mimicry import mimicry
    from clients.classification.hdus.peer import Peer
    from simulator.tasks.replica import peers_at_end

    rows: list[dict[str, Any]] = []
    for number, peer in peers_at_end(plan, store).items():
        assert isinstance(peer, Peer)
        if (found := mimicry(peer)) is not None:
            rows.append({"peer": number, **asdict(found)})
    return json.dumps(rows)


def told(store: RunStore) -> list[dict[str, Any]]:
    """Return what was written down; nothing for runs from before it was measured."""
    found: list[dict[str, Any]] = json.loads(store.meta(KEY) or "[]")
    return found
