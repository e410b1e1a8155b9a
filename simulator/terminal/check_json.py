"""The output of ``lethe check --json``: what a plan will do and cost, as plain values."""

from __future__ import annotations

from typing import Any

import numpy as np

from clients.data import load
from server.timeline import Arrival, Erasure
from simulator.runs.comparisons.rows import names
from simulator.scenarios.compare import Comparison
from simulator.scenarios.plan import Plan
from simulator.tasks.contract import cell_of
from simulator.terminal import audit_check, data_check


def plain(plan: Plan) -> dict[str, Any]:
    """Return name, hash, data, peers, rounds, erasures and costs of a plan."""
    return {
        "name": plan.name,
        "seed": plan.seed,
        "plan": plan.digest,
        "cell": plan.scenario.cell,
        "data": _data(plan),
        "peers": _peers(plan),
        "rounds": [
            {
                "round": now.round,
                "train": list(now.present),
                "edges": [list(edge) for edge in now.edges],
                "happenings": [one.model_dump(mode="json") for one in now.happenings],
            }
            for now in plan.timeline.rounds
        ],
        "erasures": [_erasure(plan, one) for one in plan.timeline.erasures],
        **({"arrivals": [_arrival(plan, one) for one in arrivals]} if (arrivals := plan.timeline.arrivals()) else {}),
        **({"compare": [_comparison(one) for one in plan.comparisons]} if plan.comparisons else {}),
        **({"warnings": told} if (told := list(audit_check.warnings(plan))) else {}),
        "costs": dict(cell_of(plan).costs(plan)),
    }


def _data(plan: Plan) -> dict[str, Any]:
    data, first, table = load(plan.configs[0].data), plan.configs[0], plan.scenario.data
    held = data_check.Holdings.of(plan, data)
    return {
        "dataset": first.data.tag,
        "rows": len(data),
        "shape": list(plan.shape),
        "classes": list(data.labels),
        "reference": len(first.reference),
        **({} if table.synthetic is None else {"synthetic": table.synthetic.model_dump(mode="json")}),
        "test": len(first.test),
        "remarks": list(data_check.remarks(data, held)),
        "warnings": list(data_check.warnings(plan, data, held)),
    }


def _peers(plan: Plan) -> list[dict[str, Any]]:
    data = load(plan.configs[0].data)
    mixes = [np.bincount(data.classes_of(one.rows), minlength=plan.classes) for one in plan.configs]
    return [
        {"peer": one.peer, "model": one.model, "rows": len(one.rows), "rows_by_class": [int(count) for count in mix]}
        for one, mix in zip(plan.configs, mixes, strict=True)
    ]


def _arrival(plan: Plan, arrival: Arrival) -> dict[str, Any]:
    method, guarantee, _ = cell_of(plan).arrival(plan, arrival)
    return {"round": arrival.round, "peer": arrival.peer, "rows": len(arrival.rows), "method": method, "guarantee": guarantee}


def _comparison(one: Comparison) -> dict[str, Any]:
    return {"event": one.event, "round": one.first, "last_round": one.last, "rows": list(names(one))}


def _erasure(plan: Plan, erasure: Erasure) -> dict[str, Any]:
    method, guarantee = cell_of(plan).method(plan, erasure)
    counted = {"rows": len(erasure.rows), "edges": len(erasure.edges)}
    return {"round": erasure.round, "kind": erasure.kind, "peer": erasure.peer, **counted, "method": method, "guarantee": guarantee}
