"""Audits that were added to a finished run: their settings lie in the ledger, outside plan and digest, chained as their rows are."""

from __future__ import annotations

from collections.abc import Mapping

from simulator.audits import AUDITS
from simulator.audits.contract import AuditSpec
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore

_KEY = "added-"


def note(store: RunStore, name: str, spec: AuditSpec) -> None:
    """Write down that an audit was added, with its settings."""
    store.set_audit(f"{_KEY}{name}", spec.model_dump(mode="json"))


def added(store: RunStore) -> dict[str, AuditSpec]:
    """Return the audits that were added, with their settings, by name, in the order in which they were."""
    names = store.rows("select name from audits where name like ? order by rowid", (f"{_KEY}%",))
    settings: Mapping[str, object] = {name.removeprefix(_KEY): store.audit(name) for (name,) in names}
    return {name: AUDITS.load(name).model_validate(values) for name, values in settings.items()}


def asked(plan: Plan, store: RunStore) -> dict[str, AuditSpec]:
    """Return the audits of a run by name: those of its scenario, and those that were added."""
    return plan.audit.asked | added(store)
