"""Methods that are compared on one request of peers that classify with their neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from clients import data
from clients.classification.hdus.config import HdusConfig
from clients.models import ModelSpec
from clients.unlearning.approximate.approximate import Approximate
from clients.unlearning.general import METHODS
from clients.unlearning.general.contract import MethodSpec
from clients.unlearning.one_network import OneNetwork
from server.timeline import Erasure
from simulator.requests.changes import with_configs, with_method
from simulator.scenarios.compare import Comparison, NotComparedError
from simulator.scenarios.refusals import unable
from simulator.tasks.classification.hdus.plan import HdusPlan

if TYPE_CHECKING:
    import numpy.typing as npt

    from clients.classification.hdus.peer import Peer
    from clients.data.rows import Ids
    from simulator.audits.contract import Branch


def branched(plan: HdusPlan, comparison: Comparison, method: MethodSpec, departures: tuple[str, ...]) -> HdusPlan:
    """Return the plan in which a request is carried out by another method; ``NotComparedError`` if it cannot be.

    Neighbours carry a departure out by the methods ``departures``; a peer that must forget rows does so by any method that works on
    the network of its main model.
    """
    for one in (one for one in plan.timeline.erasures if one.request == comparison.request):
        able = departures if one.kind == "peer" else tuple(kind for kind, spec in METHODS.working().items() if spec.applies())
        if one.kind not in ("peer", "rows") or method.tag not in able:
            raise NotComparedError(unable(method.tag, one.kind, plan.scenario.cell, able if one.kind in ("peer", "rows") else ()))
        if one.kind == "rows":
            plan = _forgetting_by(plan, one, method)
    return with_method(plan, comparison.request, method)


def _forgetting_by(plan: HdusPlan, erasure: Erasure, method: MethodSpec) -> HdusPlan:
    """Return the plan in which a peer's main model forgets by a method."""
    main = cast(HdusConfig, plan.config(erasure.peer, erasure.generation)).main
    if not isinstance(main, ModelSpec | OneNetwork):
        what = f"peer {erasure.peer} has main model {main.tag}, which forgets in its own way"
        raise NotComparedError(f"{method.tag} works on one network, but {what}: give it a network, or compare another event")
    base = main if isinstance(main, ModelSpec) else main.base
    if misfit := method.misfit(base):
        raise NotComparedError(f"{method.tag} {misfit}")
    return with_configs(plan, erasure, lambda _: {"main": Approximate(base=base, method=method)})


def answers(branch: Branch, peer: int, ids: Ids) -> npt.NDArray[np.float64] | None:
    """Return what a peer and its neighbours predict together for rows by their ids; None for nodes of a graph and ratings of users."""
    found = cast("Peer", branch.peers[peer])
    source = data.load(found.config.data)
    return None if len(source.edges) or source.users is not None else found.predict_proba(source.inputs(ids))
