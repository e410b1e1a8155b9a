"""The results of a run as plain data, a pure function of plan and ledger, so that ``lethe verify`` can recompute them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from clients.metrics import Metric
from clients.unlearning import UNLEARNERS
from clients.unlearning.contract import Cost, Outcome
from server.ledger import FEDERATION
from server.timeline import Erasure
from simulator.audits import AUDITS
from simulator.audits.contract import RETRAINED, RUN, keys
from simulator.runs import arrivals, machines
from simulator.runs.audits import audited
from simulator.runs.expectations import check
from simulator.runs.given import given
from simulator.runs.verdict import claim, verdict
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore
from simulator.tasks.contract import cell_of

UNDONE = "not carried out by the end of the run; the guarantee is what the method claims"
"""Note on an erasure without an outcome."""

CLAIMS = "claims"
"""Key, in the ledger's table meta, of the verdicts on all claims."""


def results(plan: Plan, store: RunStore) -> dict[str, Any]:
    """Return the content of ``results.json``.

    ``given`` lists what the word exact takes as given. ``metrics`` holds the data set's metrics by the names that people give them, means
    over the peers of the final evaluation, None where nobody was left; ``accuracy`` repeats the one of that name. Seconds are wall-clock
    and differ from run to run; everything under ``digest`` does not.
    """
    timeline = [_line(plan, store, number) for number in range(1, plan.rounds + 1)]
    erasures = [_erasure(plan, store, erasure) for erasure in plan.timeline.erasures]
    found: dict[str, Any] = {
        "name": plan.name,
        "seed": plan.seed,
        "engine": store.meta("engine"),
        "digest": store.digest(),
        "plan": plan.digest,
        **_metrics(plan, store),
        "timeline": timeline,
        "erasures": erasures,
        "given": list(given(plan)),
        "audits": {name: [column.told() for column in spec.columns] for name, spec in plan.audit.asked.items()},
        "incidents": [text for (text,) in store.rows("select text from incidents order by rowid")],
    }
    if plan.timeline.arrivals():
        found["arrivals"] = arrivals.rows(plan, store)
    found["machine"] = {"level": plan.scenario.compute.level, **(machines.read(store) or {})}
    found |= cell_of(plan).findings(plan, store)
    found |= {"expectations": check(plan, store, found)}
    return found | {"verdict": verdict(json.loads(str(store.meta(CLAIMS))), found)}


def settle(plan: Plan, store: RunStore) -> None:
    """Record the verdicts on all claims after the audits, because the data that verify a certificate may be absent later."""
    cell_of(plan).at_end(plan, store)
    store.set_meta(CLAIMS, settled(plan, store))


def settled(plan: Plan, store: RunStore) -> str:
    """Return, as JSON, the verdict on each claim by the evidence in ledger and data."""
    rows = ((one, _erasure(plan, store, one)) for one in plan.timeline.erasures)
    return json.dumps([*(claim(one, plan, store, row) for one, row in rows), *arrivals.claims(plan, store)])


def _metrics(plan: Plan, store: RunStore) -> dict[str, Any]:
    """Return the data set's metrics of the final evaluation by name, test mix and model; empty if peers do not measure them."""
    places, values = plan.configs[0].places, federation(store, plan.rounds + 1)
    if not places:
        return {}
    found = {metric.label: _by_place(metric, places, values) for metric in plan.configs[0].data.metrics}
    return {"metrics": found} | ({"accuracy": found["accuracy"]} if "accuracy" in found else {})


def _by_place(metric: Metric, places: Iterable[str], values: Mapping[str, float]) -> dict[str, dict[str, float | None]]:
    nested: dict[str, dict[str, float | None]] = {}
    for place in places:
        mix, model = place.split(".")
        nested.setdefault(mix, {})[model] = values.get(metric.at(place).name)
    return nested


def federation(store: RunStore, number: int) -> dict[str, float]:
    """Return the federation's metrics of a round by name."""
    return dict(store.rows("select name, value from metrics where round = ? and peer = ?", (number, FEDERATION)))


def _line(plan: Plan, store: RunStore, number: int) -> dict[str, Any]:
    values = federation(store, number)
    timings = dict(store.rows("select name, value from timings where round = ? and peer = ?", (number, FEDERATION)))
    line = {
        "round": number,
        "live": len(plan.timeline.rounds[number - 1].present),
        "bytes_overlay": int(values.get("bytes_overlay", 0)),
        "bytes_physical": int(timings.get("bytes_physical", 0)),
        "gradient_steps": int(values.get("gradient_steps", 0) + values.get("distillation_steps", 0)),
        "seconds": timings.get("round"),
    }
    line |= {name.replace(".", "_"): values[name] for name in ("loss.local", "loss.global", "loss.ensemble") if name in values}
    measured = [metric.at(place) for metric in plan.configs[0].data.metrics for place in plan.configs[0].places]
    line |= {metric.label.replace(".", "_"): values.get(metric.name) for metric in measured}
    return line | cell_of(plan).line(plan, store, number)


def _erasure(plan: Plan, store: RunStore, erasure: Erasure) -> dict[str, Any]:
    """Return an erasure's row: its entries in the ledger, and the audits' findings (None if not measured)."""
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
        "notes": [*line.outcome.notes, *_untouched(method, line.outcome)] if line else [UNDONE],
        "gradient_steps": line.outcome.cost.gradient_steps if line else 0,
        "seconds": _seconds(store, erasure, holders if plan.timeline.departs(erasure) else None),
        "bytes": _bytes(store, receipts),
        "holders": holders,
        "receipts": [dict(zip(("holder", "version", "sha256", "round"), line, strict=True)) for line in receipts],
        **_unmeasured(),
        **({"edges": len(erasure.edges)} if erasure.edges else {}),
        **_replayed(plan, store, erasure),
    } | {key: _finite(value) for key, value in audited(plan, store, erasure).items()}


def _untouched(method: str, outcome: Outcome) -> list[str]:
    """Return the unlearner's reason why forgetting had no cost, if any; notes here have no part in digests, unlike those of outcomes."""
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
    who, name = ([erasure.peer], "forget") if holders is None else (holders, "drop")
    query = "select value from timings where name = ? and peer = ? and round >= ? order by round limit 1"
    parts = [(name, peer) for peer in who] + [("subtract", FEDERATION)]
    return math.fsum(value for name, peer in parts for (value,) in store.rows(query, (name, peer, erasure.round)))


def _bytes(store: RunStore, receipts: list[tuple[Any, ...]]) -> int:
    """Return the additional bytes of messages for forgetting: one hash per receipt."""
    return sum(len(bytes.fromhex(sha256)) for _, _, sha256, _ in receipts)


def _finite(value: Any) -> Any:
    """Return None for an infinite difference (arrays that cannot be compared), which JSON cannot represent."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
