"""The plan in which what a request asks for had been so from the start."""

from __future__ import annotations

from simulator.requests import request_of
from simulator.requests.changes import with_erasures
from simulator.scenarios.plan import Plan


def without(plan: Plan, request: int) -> Plan:
    """Return the plan in which what a request asks for had been so from the start: the counterfactual of its erasures.

    An erased peer is there in no round of the erased generation; deleted rows are in no config, nor are deleted edges. The graph, and
    who else is present when, stay as they are; what only watches is left out. ``KeyError`` if there is no such request.
    """
    named = [erasure for erasure in plan.timeline.erasures if erasure.request == request]
    if not named:
        raise KeyError(request)
    for erasure in named:
        plan = request_of(erasure.kind).without(plan, erasure)
    return with_erasures(plan, (one for one in plan.timeline.erasures if one.request != request)).unwatched()
