"""Verification, from a run directory, of the registry of guards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from clients import wire
from server.language.averaging.coordinator import REGISTRY
from simulator.errors import LetheError

if TYPE_CHECKING:
    from simulator.storage.store import RunStore
    from simulator.tasks.language.averaging.plan import LanguagePlan


def registered(plan: LanguagePlan, store: RunStore) -> Iterator[str]:
    """Yield a line for every rule that the last registry lacks, or holds although it is revoked or its owner erased, and for hashes that
    are not those of the records that a rule protects: of other ones, or of some that were deleted.
    """
    due = {rule.id: rule for rule in plan.timeline.acting(plan.rounds + 1) if rule.scope == "global"}
    sha256 = store.model(REGISTRY)
    try:
        found = wire.from_bytes(store.artefact(sha256)) if sha256 else {}
    except LetheError as error:
        yield str(error)
        return
    for name in sorted(due.keys() - found.keys()):
        yield f"guard {name}: is in force, and not in the server's registry"
    for name in sorted(found.keys() - due.keys()):
        yield f"guard {name}: is not in force, and still in the server's registry"
    for name in sorted(due.keys() & found.keys()):
        rows = plan.timeline.protected(due[name], plan.rounds)
        if not np.array_equal(found[name].ravel(), plan.configs[0].patterns(due[name], np.array(rows, np.int64)).ravel()):
            yield f"guard {name}: the server's registry has other hashes than those of the {len(rows)} records that it protects"
