"""Verification, from a run directory, of the registry of guards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from clients import wire
from server.language.averaging.coordinator import REGISTRY
from simulator.errors import LetheError

if TYPE_CHECKING:
    from simulator.storage.store import RunStore
    from simulator.tasks.language.averaging.plan import LanguagePlan


def registered(plan: LanguagePlan, store: RunStore) -> Iterator[str]:
    """Yield a line for every rule that the last registry lacks, or holds although it is revoked or its owner erased."""
    due = {rule.id for rule in plan.timeline.acting(plan.rounds + 1) if rule.scope == "global"}
    sha256 = store.model(REGISTRY) if due else None
    try:
        found = set(wire.from_bytes(store.artefact(sha256))) if sha256 else set()
    except LetheError as error:
        yield str(error)
        return
    for name in sorted(due - found):
        yield f"guard {name}: is in force, and not in the server's registry"
    for name in sorted(found - due):
        yield f"guard {name}: is not in force, and still in the server's registry"
