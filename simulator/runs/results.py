"""The results of a run as plain data, a pure function of plan and ledger, so that ``lethe verify`` can recompute them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from clients.metrics import Metric
from server.ledger import FEDERATION
from simulator.runs import arrivals
from simulator.runs.added import asked
from simulator.runs.audits import examined
from simulator.runs.comparisons.rows import compared
from simulator.runs.erasures import erasure_row, federation
from simulator.runs.expectations import check
from simulator.runs.given import given
from simulator.runs.stored import stored
from simulator.runs.verdict import claim, verdict
from simulator.scenarios.plan import Plan
from simulator.storage import machines
from simulator.storage.store import RunStore
from simulator.tasks.contract import cell_of

CLAIMS = "claims"
"""Key, in the ledger's table meta, of the verdicts on all claims."""


def results(plan: Plan, store: RunStore) -> dict[str, Any]:
    """Return the content of ``results.json``.

    ``given`` lists what the word exact takes as given. ``metrics`` holds the data set's metrics by the names that people give them, means
    over the peers of the final evaluation, None where nobody was left; ``accuracy`` repeats the one of that name. Seconds are wall-clock
    and differ from run to run; everything under ``digest`` does not.
    """
    timeline = [_line(plan, store, number) for number in range(1, plan.rounds + 1)]
    erasures = [erasure_row(plan, store, erasure) for erasure in plan.timeline.erasures]
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
        "audits": {name: [column.told() for column in spec.columns] for name, spec in asked(plan, store).items()},
        "incidents": [text for (text,) in store.rows("select text from incidents order by rowid")],
    }
    if refusals := list(_refusals(store)):
        found["refusals"] = refusals
    found["stored"] = stored(plan, store)
    if waiting := plan.timeline.waiting:
        found["waiting"] = [one.model_dump(exclude={"ids"}) | {"ids": len(one.ids)} for one in waiting]
    if told := examined(plan, store):
        found["examined"] = told
    if plan.timeline.arrivals():
        found["arrivals"] = arrivals.rows(plan, store)
    if plan.comparisons:
        found["compare"] = compared(plan, store)
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
    rows = ((one, erasure_row(plan, store, one)) for one in plan.timeline.erasures)
    return json.dumps([*(claim(one, plan, store, row) for one, row in rows), *arrivals.claims(plan, store)])


def _refusals(store: RunStore) -> Iterator[dict[str, Any]]:
    """Yield what a server refused to aggregate: the round, the peer that sent it, and the reason."""
    for number, peers, why in store.rows("select round, peers, detail from events where do = 'refused' order by rowid"):
        yield from ({"round": number, "peer": peer, "why": why} for peer in json.loads(peers))


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
