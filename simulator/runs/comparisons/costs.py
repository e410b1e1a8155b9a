"""What the runs of a comparison cost: gradient steps, epochs of clients, bytes, seconds."""

from __future__ import annotations

import math
from typing import Any

from clients.training import Training
from simulator.audits.counterfactual import costs
from simulator.runs.comparisons.judged import held
from simulator.runs.erasures import erasure_row
from simulator.scenarios.compare import Comparison
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore


def of_request(plan: Plan, store: RunStore, one: Comparison) -> dict[str, Any]:
    """Return guarantee, notes and costs of a request that was carried out in a run."""
    rows = [erasure_row(plan, store, erasure) for erasure in plan.timeline.erasures if erasure.request == one.request]
    return {
        "guarantee": ", ".join(sorted({str(row["guarantee"]) for row in rows})),
        "gradient_steps": sum(row["gradient_steps"] for row in rows),
        "client_epochs": _unlearned(plan, store, one),
        "bytes": sum(row["bytes"] for row in rows),
        "seconds": math.fsum(row["seconds"] for row in rows),
        "notes": list(dict.fromkeys(note for row in rows for note in row["notes"])),
    }


def of_training(plan: Plan, store: RunStore, until: int) -> dict[str, Any]:
    """Return the costs of all rounds up to one."""
    steps, seconds, sent = costs(store, until)
    query = "select peer, sum(value) from metrics where name = 'gradient_steps' and peer >= 0 and round <= ? group by peer"
    epochs = _epochs(plan, store.rows(query, (until,)), until)
    return {"gradient_steps": int(steps), "client_epochs": epochs, "bytes": int(sent), "seconds": seconds}


def _unlearned(plan: Plan, store: RunStore, one: Comparison) -> float:
    """Return the number of passes of peers over the rows that each has left, products with second derivatives counted as two.

    A peer whose method's gradients were counted by the row passes over so many rows, another over those of its gradient steps.
    """
    query = "select peer, sum(value) from metrics where name = ? and peer >= 0 and round >= ? group by peer"
    counted: dict[int, float] = dict(store.rows(query, ("unlearning_rows", one.first)))
    left = {peer: len(held(plan, peer, one.last)) for peer in counted}
    passes = math.fsum(rows / left[peer] for peer, rows in counted.items() if left[peer])
    steps = store.rows(query, ("unlearning_steps", one.first))
    return passes + _epochs(plan, [(peer, taken) for peer, taken in steps if not counted.get(peer)], one.last)


def _epochs(plan: Plan, steps: list[tuple[int, float]], until: int) -> float:
    """Return the number of passes of peers over the rows that each has left, given their gradient steps."""
    training: Training = plan.scenario.training  # type: ignore[attr-defined]  # scenarios of the cells that compare have it
    known = [(taken, len(held(plan, peer, until))) for peer, taken in steps]
    return math.fsum(taken * training.epochs / training.steps(count) for taken, count in known if count)
