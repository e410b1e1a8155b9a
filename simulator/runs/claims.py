"""Checks of each erasure's claim: bit equality if it is exact, its certificate, or unchanged weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from pydantic import ValidationError

from clients import data, wire
from clients.unlearning.certificates import CERTIFICATES, Evidence
from clients.unlearning.contract import family
from server.ledger import RELEASE, OutcomeLine
from server.timeline import Erasure
from simulator.requests import request_of
from simulator.runs.audits import audited
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore
from simulator.tasks.contract import cell_of


def unkept(erasure: Erasure, plan: Plan, store: RunStore) -> Iterator[str]:
    """Yield a line for each part of an erasure's claim that does not hold.

    An erasure that was never carried out is checked by its method's claim. An approximate one claims only that it was carried out, which
    the request's own check covers; its distance to retraining is measured, not proven.
    """
    who, line = request_of(erasure.kind).name(erasure), store.outcomes().get(erasure.index)
    claim = family(line.outcome.guarantee if line else cell_of(plan).method(plan, erasure)[1])
    if claim == "exact":
        yield from _unequal(who, erasure, plan, store)
    elif line is not None and claim == "certified":
        yield from _unproven(who, erasure, line, plan, store)
    elif line is not None and claim == "behavioural" and (line.weights is None or line.weights[0] != line.weights[1]):
        yield f"{who}: claims that no weight has changed, which " + ("was not shown" if line.weights is None else "is not so")


def unproven_exactness(erasure: Erasure, plan: Plan, store: RunStore) -> Iterator[str]:
    """Yield a line if an erasure claims exactness, and the run has no counterfactual to compare with."""
    line = store.outcomes().get(erasure.index)
    claim = family(line.outcome.guarantee if line else cell_of(plan).method(plan, erasure)[1])
    if claim == "exact" and store.audit(f"never-{erasure.request}") is None:
        who = request_of(erasure.kind).name(erasure)
        yield f"{who}: claims exact, and no run in which it never was has been played to compare with: set audit.counterfactual = true"


def _unequal(who: str, erasure: Erasure, plan: Plan, store: RunStore) -> Iterator[str]:
    """Yield a line for every difference to the stored hashes of the counterfactual, if it was played."""
    never = store.audit(f"never-{erasure.request}")
    if never is None:
        return
    if difference := audited(plan, store, erasure).get("max_abs_difference"):
        yield f"{who}: differs by {difference:.3g} from the run in which it never was"
    ends = {peer: tuple(state) for _, peer, *state in never["states"]}
    final = dict(never["probabilities"])
    for peer, state in store.states().items():
        if peer in ends and peer in final and ends[peer] != (state.generation, state.main, state.seed):
            yield f"{who}: peer {peer} ends with other bytes than in the run in which it never was"
    if never.get(RELEASE) != store.model(RELEASE):
        yield f"{who}: the server's release has other bytes than in the run in which it never was"


def _unproven(who: str, erasure: Erasure, line: OutcomeLine, plan: Plan, store: RunStore) -> Iterator[str]:
    """Yield a line unless the class registered for the certificate verifies it."""
    certificate = line.outcome.certificate
    kind = "" if certificate is None else str(certificate.get("kind"))
    if certificate is None or kind not in CERTIFICATES.targets():
        what = "has no certificate" if certificate is None else f"nobody is registered who proves certificates of kind {kind!r} again"
        yield f"{who}: claims {line.outcome.guarantee}, but {what}"
        return
    state = store.states().get(erasure.peer)
    left = state is None or state.generation != erasure.generation
    main: dict[str, Any] | None = None if state is None or left else wire.from_bytes(store.artefact(state.main))
    gone = () if erasure.correction is not None else request_of(erasure.kind).ids(erasure)  # corrected rows stay
    ids = np.asarray(gone, dtype=np.int64)
    try:
        spec = CERTIFICATES.load(kind).model_validate(dict(certificate))
    except ValidationError as error:
        yield f"{who}: its certificate is not one of kind {kind!r}: {error.errors()[0]['msg'].lower()}"
        return
    evidence = Evidence(line.outcome.guarantee, ids, main, data.load(plan.configs[0].data), _unchanged(erasure, plan, store))
    if wrong := spec.disproof(evidence):
        yield f"{who}: its certificate does not hold: {wrong}"


def _unchanged(erasure: Erasure, plan: Plan, store: RunStore) -> bool:
    """Return whether nothing has changed a peer's rows since an erasure: no arrival, no later request, none of the other kind at once.

    A peer that has deletions and corrections to carry out in one message deletes first.
    """
    done = {index: number for number, index in store.rows("select round, erasure from outcomes")}
    now, kind = done[erasure.index], erasure.correction is None
    others = [one for one in plan.timeline.erasures if one.peer == erasure.peer]
    later = any(done.get(one.index, 0) > now or (done.get(one.index) == now and (one.correction is None) != kind) for one in others)
    return not later and not any(one.peer == erasure.peer for one in plan.timeline.arrivals())
