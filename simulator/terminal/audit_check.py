"""The part of ``lethe check`` on audits: requests that an audit of the scenario cannot judge, whatever the run finds."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.requests import request_of
from simulator.scenarios.plan import Plan


def warnings(plan: Plan) -> Iterator[str]:
    """Yield a line for every request and reason, with the audits that cannot judge it for that reason.

    A scenario none of whose requests can be judged by an audit is refused before (`simulator.scenarios.refusals`).
    """
    for erasure in plan.timeline.erasures:
        names: dict[str, list[str]] = {}
        for name, spec in plan.audit.asked.items():
            if reason := spec.barred(erasure):
                names.setdefault(reason, []).append(name)
        for reason, unable in names.items():
            who = request_of(erasure.kind).name(erasure)
            yield f"round {erasure.round}, {who}: not judged by {', '.join(unable)}: {reason}"
