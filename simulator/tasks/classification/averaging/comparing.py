"""Methods that are compared on one request of averaged classifiers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from clients import data, wire
from clients.unlearning.general.contract import MethodSpec
from server.averaging.history import Choice, Keeping
from simulator.requests.changes import with_method
from simulator.scenarios.compare import Comparison, NotComparedError
from simulator.scenarios.refusals import NO_VALIDATION, unable
from simulator.tasks.averaging.refusals import refusals
from simulator.tasks.classification.averaging import privacy
from simulator.tasks.classification.averaging.plan import AveragedPlan

if TYPE_CHECKING:
    import numpy.typing as npt

    from clients.data.rows import Ids
    from server.averaging.past import Past
    from simulator.audits.contract import Branch

_CHOICES: dict[tuple[bool, bool], Choice | None] = {
    (False, False): None,
    (True, False): "models",
    (False, True): "updates",
    (True, True): "all",
}
"""What a server keeps, by whether models and whether updates are needed."""


def branched(
    plan: AveragedPlan, comparison: Comparison, method: MethodSpec, past: Past, methods: Callable[[str], tuple[str, ...]]
) -> AveragedPlan:
    """Return the plan in which a request is carried out by another method; ``NotComparedError`` if the federation cannot do so.

    ``methods`` returns the methods that an event may name for a kind of request.
    """
    for kind in sorted({one.kind for one in plan.timeline.erasures if one.request == comparison.request}):
        if method.tag not in (able := methods(kind)):
            raise NotComparedError(unable(method.tag, kind, plan.scenario.cell, able))
    if misfit := method.misfit(plan.scenario.peers.main[0]) or method.unshared():
        raise NotComparedError(f"{method.tag} {misfit}")
    if method.needs_validation and not plan.scenario.data.validation:
        raise NotComparedError(f"{method.tag} {NO_VALIDATION}")
    changed = with_method(plan, comparison.request, method)
    until = changed.until(comparison.last).timeline
    told = (*refusals(until, past, plan.scenario.federation.history), *privacy.refusals(plan.scenario.training, until))
    for place, reason in told:
        raise NotComparedError(f"{method.tag}: {place}: {reason}")
    return changed


def prefix(plan: AveragedPlan, comparison: Comparison) -> AveragedPlan:
    """Return the plan of the rounds before a request, whose server keeps what every compared method needs."""
    table = plan.scenario.federation
    if table.history is None:
        needed = Keeping.of(None, {one.tag for one in comparison.methods})
        choice = _CHOICES[needed.models, needed.updates]
        changed = table.model_copy(update={"history": choice})
        plan = plan.model_copy(update={"scenario": plan.scenario.model_copy(update={"federation": changed})})
    return plan.until(comparison.first - 1)


def answers(plan: AveragedPlan, branch: Branch, ids: Ids) -> npt.NDArray[np.float64]:
    """Return what the global model predicts for rows by their ids at the end of a run, float64 (n, classes)."""
    config = plan.configs[0]
    weights: dict[str, npt.NDArray[Any]] = wire.from_bytes(branch.store.artefact(str(branch.store.model("global"))))
    return config.network.probabilities(weights, data.load(config.data).inputs(ids)).astype(np.float64)
