"""The rows of comparisons: their names, what the ledger and the results hold of them, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from simulator.audits.contract import AGAIN, NOTHING, ORIGINAL, RETRAINED
from simulator.scenarios.compare import Comparison, label
from simulator.scenarios.plan import Plan
from simulator.storage.comparisons import key
from simulator.storage.store import RunStore

FAILED = "failed"
"""Key of a row whose method could not carry the request out; its value is the reason."""


UNITS = {"gradient_steps": "steps", "client_epochs": "epochs", "bytes": "bytes"}
"""Units of costs; all other figures are shares."""


def references(one: Comparison) -> tuple[str, ...]:
    """Return the names of the rows beside which methods stand; without rounds before the request there is no original."""
    return (*((ORIGINAL.name,) if one.first > 1 else ()), NOTHING.name, RETRAINED.name, AGAIN.name)


def names(one: Comparison) -> tuple[str, ...]:
    """Return the names of all rows of a comparison, in order."""
    return (*references(one), *map(label, one.methods))


def compared(plan: Plan, store: RunStore) -> list[dict[str, Any]]:
    """Return what the results say of comparisons: of each its event, the round of the request, the number of rows to forget, its rows.

    Each row has ``row``, its name, the figures of the ledger, and ``verdict``: ``proven`` where a claim of exactness was met, ``disproved``
    where it was not, ``failed`` where the request could not be carried out, else ``measured``.
    """
    return [_one(i, one, plan, store) for i, one in enumerate(plan.comparisons)]


def _one(table: int, one: Comparison, plan: Plan, store: RunStore) -> dict[str, Any]:
    asked = [erasure for erasure in plan.timeline.erasures if erasure.request == one.request]
    rows = [{"row": name, **(store.audit(key(table, name)) or {})} for name in names(one)]
    forgotten = sum(len(erasure.rows) for erasure in asked)
    told = {"event": one.event, "round": one.first, "kind": asked[0].kind, "peers": [erasure.peer for erasure in asked], "rows": forgotten}
    return {**told, "compared": [{**row, "verdict": verdict(row)} for row in rows]}


def verdict(row: Mapping[str, Any]) -> str:
    """Return what became of a row's claim, which names every guarantee of its erasures and is exact only if all are."""
    if FAILED in row:
        return "failed"
    if row.get("guarantee") != "exact":
        return "measured"
    if row["equal"] is False or row["predictions"]:
        return "disproved"
    return "measured" if row["equal"] is None and row["predictions"] is None else "proven"


def disproved(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line for every row of the results that claims to be exact and is not."""
    for one in found:
        for row in one["compared"]:
            if row["verdict"] == "disproved":
                yield f"compare of event {one['event']}: {row['row']} claims to be exact, and differs from the retrained model"


def problems(plan: Plan, store: RunStore) -> Iterator[str]:
    """Yield a line for every row that a finished run lacks, and for every claim of exactness that a row does not meet."""
    for i, one in enumerate(plan.comparisons):
        for name in names(one):
            if store.audit(key(i, name)) is None:
                yield f"compare of event {one.event}: {name} has no row, though the run is finished"
    yield from disproved(compared(plan, store))


def numbers(row: Mapping[str, Any]) -> Iterator[tuple[str, Literal["forgetting", "costs"], float | None]]:
    """Yield name, group and value of every figure of a row, without seconds; None where it was not measured."""
    for name in ("parameters", "predictions"):
        yield name, "forgetting", row.get(name)
    for name in ("forget", "retain", "test"):
        yield name, "forgetting", (row.get(name) or {}).get("accuracy")
    for name in UNITS:
        yield name, "costs", row.get(name)
