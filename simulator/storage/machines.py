"""What the ledger says of the machines of a run, and whether the same bits result here."""

from __future__ import annotations

import json
from typing import Any

from clients import machine
from simulator.storage.store import RunStore

KEY = "machines"
"""Key, in the ledger's table meta, of what driver and peers compute with."""


def read(store: RunStore) -> dict[str, Any] | None:
    """Return the record: ``driver``, and the distinct entries of ``workers``; None if there is none."""
    kept = store.meta(KEY)
    return None if kept is None else dict(json.loads(kept))


def alike_here(store: RunStore) -> bool:
    """Return whether this process, working on one thread, computes the bits that the run's processes did."""
    kept = read(store)
    return kept is not None and not machine.differences(kept["driver"], json.loads(machine.told()))
