"""What the results of a run say of an erasure: its entries in the ledger, its costs, and the findings of audits."""

from __future__ import annotations

import math
from typing import Any

from clients.unlearning import UNLEARNERS
from clients.unlearning.contract import COST_NOTE, Cost, Outcome
from server.ledger import FEDERATION
from server.timeline import Erasure
from simulator.audits import AUDITS
from simulator.audits.contract import RETRAINED, RUN, keys
from simulator.runs.audits import audited
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore
from simulator.tasks.contract import cell_of

UNDONE = "not carried out by the end of the run; the guarantee is what the method claims"
"""Note on an erasure without an outcome."""

WAITS = "waiting for peers {peers}, away to the end of the run"
"""Note on an erasure that others than the peer itself keep from being carried out."""


def erasure_row(plan: Plan, store: RunStore, erasure: Erasure) -> dict[str, Any]:
    """Return an erasure's row of the results: its entries in the ledger, and the audits' findings (None if not measured)."""
    holders = sorted({holder for (holder,) in store.rows("select holder from owed where erasure = ?", (erasure.index,))})
    receipts = store.rows("select holder, version, sha256, round from receipts where erasure = ? order by round, holder", (erasure.index,))
    method, claim = cell_of(plan).method(plan, erasure)
    line = store.outcomes().get(erasure.index)
    return {
        "round": erasure.round,
        "kind": erasure.kind,
        "peer": erasure.peer,
        "rows": len(erasure.rows),
        "request": erasure.request,
        "method": method,
        "guarantee": line.outcome.guarantee if line else claim,
        "certificate": line.outcome.certificate if line else None,
        "notes": [*line.outcome.notes, *_untouched(method, line.outcome)] if line else _undone(plan, erasure),
        "gradient_steps": line.outcome.cost.gradient_steps if line else 0,
        "seconds": _seconds(store, erasure, holders if plan.timeline.departs(erasure) else None),
        "bytes": _bytes(store, receipts),
        "holders": holders,
        "receipts": [dict(zip(("holder", "version", "sha256", "round"), line, strict=True)) for line in receipts],
        **_unmeasured(),
        **({"edges": len(erasure.edges)} if erasure.edges else {}),
        **_replayed(plan, store, erasure),
    } | {key: _finite(value) for key, value in audited(plan, store, erasure).items()}


def _undone(plan: Plan, erasure: Erasure) -> list[str]:
    """Return the notes on an erasure without an outcome."""
    return [*waits(plan, erasure), UNDONE]


def waits(plan: Plan, erasure: Erasure) -> list[str]:
    """Return the note on an erasure that others than the peer itself keep from being carried out; none as a rule."""
    away = plan.awaited(erasure)
    return [WAITS.format(peers=" ".join(map(str, away)))] if away else []


def _untouched(method: str, outcome: Outcome) -> list[str]:
    """Return the unlearner's reason why forgetting had no cost, if any; notes here have no part in digests, unlike those of outcomes."""
    if any(note.startswith(COST_NOTE) for note in outcome.notes):
        return []  # the cost is counted elsewhere
    spec = UNLEARNERS.load(method) if method in UNLEARNERS.targets() else None
    return [spec.untouched] if spec and spec.untouched and outcome.cost == Cost() else []


def _unmeasured() -> dict[str, None]:
    """Return the keys, with value None, that every erasure has even if no audit measures them."""
    columns = [column for spec in AUDITS.specs() if spec.always_told for column in spec.columns]
    return {key: None for key, _ in keys(columns, (RUN, RETRAINED))}


def _replayed(plan: Plan, store: RunStore, erasure: Erasure) -> dict[str, Any]:
    """Return seconds and bytes of the rounds that a server replayed for an erasure; empty if it replayed none.

    One replay serves all erasures of a round; its cost is attributed to the first of them.
    """
    values = federation(store, erasure.round)
    if "bytes_replayed" not in values:
        return {}
    first = erasure.index == min(one.index for one in plan.timeline.erasures if one.round == erasure.round)
    query = "select value from timings where name = 'replay' and peer = ? and round = ?"
    seconds = math.fsum(value for (value,) in store.rows(query, (FEDERATION, erasure.round)))
    cost = {"seconds": seconds, "bytes": int(values["bytes_replayed"])}
    return cost if first else dict.fromkeys(cost, 0)


def _seconds(store: RunStore, erasure: Erasure, holders: list[int] | None) -> float:
    """Return the seconds of forgetting: the sum over the holders that dropped a seed, or of the peer itself if ``holders`` is None, and
    over a server that subtracted sums.
    """
    own = "forget" if erasure.correction is None else "correct"
    who, name = ([erasure.peer], own) if holders is None else (holders, "drop")
    query = "select value from timings where name = ? and peer = ? and round >= ? order by round limit 1"
    parts = [(name, peer) for peer in who] + [("subtract", FEDERATION)]
    return math.fsum(value for name, peer in parts for (value,) in store.rows(query, (name, peer, erasure.round)))


def _bytes(store: RunStore, receipts: list[tuple[Any, ...]]) -> int:
    """Return the additional bytes of messages for forgetting: one hash per receipt."""
    return sum(len(bytes.fromhex(sha256)) for _, _, sha256, _ in receipts)


def _finite(value: Any) -> Any:
    """Return None for an infinite difference (arrays that cannot be compared), which JSON cannot represent."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def federation(store: RunStore, number: int) -> dict[str, float]:
    """Return the federation's metrics of a round by name."""
    return dict(store.rows("select name, value from metrics where round = ? and peer = ?", (number, FEDERATION)))
