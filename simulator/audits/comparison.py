"""Audits of a finished run: every erasure beside its counterfactual and beside having done nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt

from clients import data, wire
from clients.classification.hdus.peer import Peer
from clients.participant import Participant
from server.app import FEDERATION
from server.audit.differences import max_abs_difference
from server.audit.membership import Predictions, membership_auc
from server.audit.relearning import best_loss, relearning_steps
from server.timeline import Erasure
from simulator.runs.replica import peers_at_end
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore

Play = Callable[[Plan, RunStore, str], None]
"""Plays a plan into a store; the text says what for, to people."""


@dataclass(frozen=True)
class Branch:
    """A run to compare with: its plan, its store, and its peers at the end."""

    plan: Plan
    store: RunStore
    peers: Mapping[int, Participant]

    @classmethod
    def of(cls, plan: Plan, store: RunStore) -> Branch:
        """Return the branch of a played plan."""
        return cls(plan, store, peers_at_end(plan, store))


def audit(plan: Plan, store: RunStore, play: Play) -> None:
    """Carry out the audits that the scenario asks for and the store does not have yet, one request after another.

    A request's audit is written down whole; a killed audit is done again from its start. The other runs live in memory only: the one
    in which nothing was forgotten must not lie about.
    """
    wanted = plan.audit
    requests = sorted({erasure.request for erasure in plan.timeline.erasures})
    due = [request for request in requests if store.audit(f"request-{request}") is None]
    if not due or not (wanted.counterfactual or wanted.membership_inference or wanted.relearn):
        return
    run = Branch.of(plan, store)
    nothing = _branch(plan.ignoring_requests(), play, "if nothing had been forgotten")
    for request in due:
        erasures = [erasure for erasure in plan.timeline.erasures if erasure.request == request]
        never = _branch(plan.without(request), play, f"if request {request} had never been needed")
        store.set_audit(f"never-{request}", _pointers(never.store))
        store.set_audit(f"request-{request}", {str(one.index): _compare(one, run, never, nothing) for one in erasures})  # last: it is done


def _branch(plan: Plan, play: Play, why: str) -> Branch:
    store = RunStore()
    play(plan, store, why)
    return Branch.of(plan, store)


def _pointers(store: RunStore) -> dict[str, Any]:
    """Return the hashes of every peer's state after each round in which it changed: what equality can be checked against for ever."""
    rows = store.rows("select round, peer, generation, main, seed from states order by round, peer")
    return {"states": rows, "probabilities": store.rows("select peer, sha256 from probabilities order by peer")}


def _compare(erasure: Erasure, run: Branch, never: Branch, nothing: Branch) -> dict[str, Any]:
    """Return an erasure's row of the report, the counterfactual's and that of having done nothing."""
    wanted = run.plan.audit
    targets = _targets(erasure, run)
    row: dict[str, Any] = {
        "max_abs_difference": _apart(run, never) if wanted.counterfactual else None,
        "max_abs_difference_nothing": _apart(nothing, never) if wanted.counterfactual else None,
        "retrain_seconds": _cost(never.store, "timings", "round", erasure.round),
        "retrain_bytes": _cost(never.store, "metrics", "bytes_overlay", erasure.round),
        "retrain_gradient_steps": _cost(never.store, "metrics", "gradient_steps", erasure.round)
        + _cost(never.store, "metrics", "distillation_steps", erasure.round),
        "accuracy_counterfactual": _accuracy(never.store),
        "accuracy_nothing": _accuracy(nothing.store),
    }
    branches = {"": run, "_counterfactual": never, "_nothing": nothing}
    if wanted.membership_inference:
        row |= {f"mia_auc{suffix}": _membership(erasure, branch, targets) for suffix, branch in branches.items()}
    if wanted.relearn:
        row |= _relearning(erasure, branches, targets)
    return row


def _targets(erasure: Erasure, run: Branch) -> list[int]:
    """Return the peers whose models may still remember: who had to drop the seed; of rows and edges their owner."""
    holders = {holder for (holder,) in run.store.rows("select holder from owed where erasure = ?", (erasure.index,))}
    own = {erasure.peer} if erasure.kind != "peer" else set()
    return sorted((own or holders) & set(run.peers))


def _apart(one: Branch, other: Branch) -> float:
    """Return the largest absolute difference over the parameters and ensemble answers of peers that both branches have.

    Trees that grew otherwise have other parameters: what cannot be compared makes the difference infinite only where nothing else tells
    the branches apart.
    """
    found = [0.0]
    for peer in sorted(set(one.peers) & set(other.peers)):
        mine, theirs = _everything(one, peer), _everything(other, peer)
        both = [name for name in mine if name in theirs and mine[name].shape == theirs[name].shape]
        apart = max_abs_difference({name: mine[name] for name in both}, {name: theirs[name] for name in both})
        found.append(apart if apart or len(both) == len({*mine, *theirs}) else math.inf)
    return max(found)


def _everything(branch: Branch, number: int) -> dict[str, npt.NDArray[Any]]:
    """Return all numbers of a peer that have a size; row ids, counts and other integers are compared as bytes by `lethe verify`."""
    peer = branch.peers[number]
    assert peer.update is not None
    (final,) = branch.store.rows("select sha256 from probabilities where peer = ?", (number,))[0]
    parts = {"main": peer.main_blob, "seed": peer.update.blob, "ensemble": branch.store.artefact(final)}
    arrays = {f"{part}/{name}": array for part, blob in parts.items() for name, array in wire.from_bytes(blob).items()}
    return {name: array for name, array in arrays.items() if np.issubdtype(array.dtype, np.floating)}


def _cost(store: RunStore, table: str, name: str, until: int) -> float:
    """Return the federation's total of a metric or timing over the rounds up to and including ``until``."""
    query = f"select value from {table} where name = ? and peer = ? and round <= ?"
    return math.fsum(value for (value,) in store.rows(query, (name, FEDERATION, until)))


def _accuracy(store: RunStore) -> float | None:
    query = "select value from metrics where name = 'accuracy.global.ensemble' and peer = ? order by round desc limit 1"
    rows = store.rows(query, (FEDERATION,))
    return rows[0][0] if rows else None


def _membership(erasure: Erasure, branch: Branch, targets: list[int]) -> float | None:
    """Return the class-matched membership AUC of the erased rows against test rows, mean over the target peers."""
    scores = []
    for number in targets:
        peer = branch.peers.get(number)
        if isinstance(peer, Peer) and erasure.rows:
            source = data.load(peer.config.data)
            members, others = np.asarray(erasure.rows), np.asarray(peer.config.test)
            inside = Predictions(peer.predict_proba(source.inputs(members)), source.y[members])
            outside = Predictions(peer.predict_proba(source.inputs(others)), source.y[others])
            scores.append(membership_auc(inside, outside))
    known = [score for score in scores if score is not None]
    return fmean(known) if known else None


def _relearning(erasure: Erasure, branches: Mapping[str, Branch], targets: list[int]) -> dict[str, float | None]:
    """Return, by branch, the mean steps in which a target peer's best seed learns the erased rows as well as if nothing were erased."""
    steps: dict[str, list[int]] = {suffix: [] for suffix in branches}
    for number in targets:
        peers = {suffix: peer for suffix, branch in branches.items() if isinstance(peer := branch.peers.get(number), Peer)}
        if not erasure.rows or len(peers) < len(branches):
            continue
        target = best_loss(peers["_nothing"], erasure.rows)
        for suffix, peer in peers.items():
            steps[suffix].append(relearning_steps(peer, erasure.rows, target))
    return {f"relearn_steps{suffix}": fmean(column) if column else None for suffix, column in steps.items()}
