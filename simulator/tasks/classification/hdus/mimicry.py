"""How well seeds mimic their main models at the end of a run: measured once, written down in the ledger beside what digests cover."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # it loads Flower, which checking a scenario does not need
    from clients.participant import Participant

KEY = "mimicry"
"""Under this key of the ledger's table meta stands what was measured."""


def measured(peers: Mapping[int, Participant]) -> list[dict[str, Any]]:
    """Return each live peer's seed beside its main model; ``DataError`` if the data are not here."""
    from clients.classification.hdus.mimicry import mimicry
    from clients.classification.hdus.peer import Peer

    rows: list[dict[str, Any]] = []
    for number, peer in peers.items():
        assert isinstance(peer, Peer)
        if (found := mimicry(peer)) is not None:
            rows.append({"peer": number, **asdict(found)})
    return rows
