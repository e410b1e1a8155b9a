"""The counterfactual of a request: the plan in which it was fulfilled from the start."""

from __future__ import annotations

from simulator.requests import request_of
from simulator.requests.changes import with_erasures
from simulator.scenarios.plan import Plan


def without(plan: Plan, request: int) -> Plan:
    """Return the counterfactual of a request's erasures: the plan in which the request was fulfilled from the start.

    An erased peer takes part in no round of the erased generation; deleted rows and edges are in no config. The graph and the presence of
    other peers stay unchanged; events that only measure are left out. ``KeyError`` if there is no such request.
    """
    named = [erasure for erasure in plan.timeline.erasures if erasure.request == request]
    if not named:
        raise KeyError(request)
    for erasure in named:
        plan = request_of(erasure.kind).without(plan, erasure)
    return with_erasures(plan, (one for one in plan.timeline.erasures if one.request != request)).unwatched()
