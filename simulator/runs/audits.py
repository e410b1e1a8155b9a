"""Execution of the audits of a finished run, one row after another, and reading of their findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from clients.data.rows import Rows
from server.ledger import RELEASE
from server.timeline import Erasure
from simulator.audits.contract import (
    AGAIN,
    NOTHING,
    ORIGINAL,
    RETRAINED,
    RUN,
    AuditSpec,
    Branch,
    NotJudgedError,
    Row,
    RunAuditSpec,
    checked,
)
from simulator.requests import request_of
from simulator.requests.correction import held
from simulator.requests.counterfactual import without
from simulator.runs import loaded
from simulator.runs.added import asked
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore
from simulator.tasks.contract import cell_of
from simulator.tasks.replica import peers_at_end

Play = Callable[[Plan, RunStore, str], None]
"""Plays a plan into a store; the text tells people the purpose."""

_Played = dict[tuple[Row, int], Branch]
"""Runs that have been played, each with the round before which it ends, or 0 where it is played to its end."""

NOT_JUDGED = "not_judged"
"""Key, in the results of an erasure, of the reasons why audits could not judge it, by audit."""


FINDINGS = "findings"
"""Key, in the row of an audit of the run itself, of what it found."""


def audit(plan: Plan, store: RunStore, play: Play) -> None:
    """Carry out the audits of a run, one erasure and one audit after another; rows in the store are not repeated.

    Each row is committed as soon as it is complete, so that an interrupted audit continues after the last one. The other runs are played
    when a row first needs them, and kept in memory only, because the one in which nothing was forgotten must leave no copy. Where other
    runs are played anyway, the cell may look at them, too.
    """
    shared: _Played = {}
    for name, one in of_runs(plan).items():
        if store.audit(_key(name)) is None:
            store.set_audit(_key(name), _examined(name, one, plan, Branch(store, peers_at_end(plan, store))))
    for request in sorted({erasure.request for erasure in plan.timeline.erasures}):
        own: _Played = {}
        for erasure in (one for one in plan.timeline.erasures if one.request == request):
            for name, spec in of_erasures(plan, store).items():
                if store.audit(_key(name, erasure)) is None:
                    branches = _Branches(plan, store, play, erasure, cell_of(plan).compared(plan, spec, erasure), shared, own)
                    store.set_audit(_key(name, erasure), _judged(name, spec, branches))
            if not store.finished and "counterfactual" in plan.audit.asked:
                rows = cell_of(plan).compared(plan, plan.audit.asked["counterfactual"], erasure)
                cell_of(plan).look(plan, store, erasure, _Branches(plan, store, play, erasure, rows, shared, own))


def of_erasures(plan: Plan, store: RunStore) -> dict[str, AuditSpec]:
    """Return the audits of a run that judge erasures, by name: those of its scenario, and those that were added."""
    return {name: spec for name, spec in asked(plan, store).items() if not isinstance(spec, RunAuditSpec)}


def of_runs(plan: Plan) -> dict[str, RunAuditSpec]:
    """Return the audits that the scenario asks for and that judge the run itself, by name."""
    return {name: spec for name, spec in plan.audit.asked.items() if isinstance(spec, RunAuditSpec)}


def _examined(name: str, spec: RunAuditSpec, plan: Plan, branch: Branch) -> dict[str, Any]:
    """Return a row of the store: findings, or the reason why there are none."""
    try:
        if reason := cell_of(plan).unjudged.get(name):
            raise NotJudgedError(reason)
        return {FINDINGS: spec.examine(branch)}
    except NotJudgedError as reason:
        return {NOT_JUDGED: str(reason)}


class _Branches:
    """The runs that one audit of one erasure may examine; ``seen`` are those that it did examine.

    ``shared`` and ``own`` keep runs that have been played: those common to all requests, and those of this one.
    """

    def __init__(
        self,
        plan: Plan,
        store: RunStore,
        play: Play,
        erasure: Erasure,
        rows: Sequence[Row],
        shared: _Played,
        own: _Played,
    ) -> None:
        self.plan, self.store, self.play, self.erasure, self.rows = plan, store, play, erasure, rows
        self.seen: set[Row] = set()
        self._shared, self._own = shared, own

    def __getitem__(self, row: Row) -> Branch:
        if row not in self.rows:
            raise KeyError(row)
        self.seen.add(row)
        kept = self._shared if row in (RUN, NOTHING) else self._own
        key = row, self.erasure.round if row == ORIGINAL else 0  # a request reaches peers that are away in a later round
        if key not in kept:
            kept[key] = self._at_end(row)
        return kept[key]

    def learned(self, row: Row) -> Rows:
        """Return the erasure's rows as the models of a run learned them: one that ignores requests had none of them corrected."""
        plan = self.plan.ignoring_requests() if row == NOTHING else self.plan
        source, ids = loaded.dataset(plan), np.unique(np.asarray(self.erasure.rows, np.int64))
        return held(plan, self.erasure).applied(Rows(ids, source.inputs(ids), source.classes_of(ids)))

    def _at_end(self, row: Row) -> Branch:
        """Return a run at its end, played in memory unless it is the run itself."""
        if row == RUN:
            return Branch(self.store, peers_at_end(self.plan, self.store))
        request, plan, why = self.erasure.request, self.plan, ""
        if row == NOTHING:
            plan, why = plan.ignoring_requests(), "if nothing had been forgotten"
        elif row == ORIGINAL:
            plan, why = plan.until(self.erasure.round - 1), f"before request {request}"
        else:
            plan, why = without(plan, request), f"if request {request} had never been needed"
        if row == AGAIN:
            plan, why = plan.again(), f"{why}, again"
        store = RunStore()
        self.play(plan, store, why)
        if row == RETRAINED:
            self.store.set_audit(f"never-{request}", _pointers(store))
        return Branch(store, peers_at_end(plan, store))


def _judged(name: str, spec: AuditSpec, branches: _Branches) -> dict[str, Any]:
    """Return a row of the store: figures by their keys, or the reason why there are none."""
    try:
        if reason := cell_of(branches.plan).unjudged.get(name) or spec.barred(branches.erasure):
            raise NotJudgedError(reason)
        found = spec.judge(branches.erasure, _targets(branches), branches)
        return checked(name, spec, found, branches.rows, branches.seen)
    except NotJudgedError as reason:
        return {NOT_JUDGED: str(reason)}


def _targets(branches: _Branches) -> list[int]:
    """Return the peers whose models may retain a trace: those that had to drop the seed, or the owner of forgotten rows and edges."""
    erasure, store = branches.erasure, branches.store
    holders = {holder for (holder,) in store.rows("select holder from owed where erasure = ?", (erasure.index,))}
    own = set() if branches.plan.timeline.departs(erasure) else {erasure.peer}
    there = set(branches.plan.timeline.rounds[-1].present) & store.states().keys()
    return sorted((own or holders) & there)


def _pointers(store: RunStore) -> dict[str, Any]:
    """Return the hashes of every peer's state after each round in which it changed, and of what the server releases at the end.

    They suffice to check equality later.
    """
    rows = store.rows("select round, peer, generation, main, seed from states order by round, peer")
    told = {"states": rows, "probabilities": store.rows("select peer, sha256 from probabilities order by peer")}
    released = store.model(RELEASE)
    return told if released is None else {**told, RELEASE: released}


def _key(name: str, erasure: Erasure | None = None) -> str:
    """Return the key of an audit's row in the store: of an erasure, or of the run."""
    return f"{name}/{'run' if erasure is None else erasure.index}"


def examined(plan: Plan, store: RunStore) -> dict[str, dict[str, Any]]:
    """Return, of every audit of the run itself, its findings or the reason why there are none, and both as ``lines``."""
    found: dict[str, dict[str, Any]] = {}
    for name, spec in of_runs(plan).items():
        row: Mapping[str, Any] = store.audit(_key(name)) or {}
        lines = [f"not judged: {row[NOT_JUDGED]}"] if NOT_JUDGED in row else list(spec.lines(row.get(FINDINGS, ())))
        found[name] = {**row, "lines": lines}
    return found


def audited(plan: Plan, store: RunStore, erasure: Erasure) -> dict[str, Any]:
    """Return all figures of an erasure by their keys, and under ``not_judged`` the reasons why there are none, by audit."""
    found: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    for name in of_erasures(plan, store):
        row: Mapping[str, Any] = store.audit(_key(name, erasure)) or {}
        found |= figures(store, name, erasure)
        reasons |= {name: f"not judged: {row[NOT_JUDGED]}"} if NOT_JUDGED in row else {}
    return found | ({NOT_JUDGED: reasons} if reasons else {})


def figures(store: RunStore, name: str, erasure: Erasure) -> dict[str, Any]:
    """Return the figures of one audit of an erasure by their keys; none if it could not judge."""
    return {key: value for key, value in (store.audit(_key(name, erasure)) or {}).items() if key != NOT_JUDGED}


def problems(plan: Plan, store: RunStore) -> Iterator[str]:
    """Yield a line for every missing row of an audit of a finished run."""
    for name in of_runs(plan):
        if store.audit(_key(name)) is None:
            yield f"audit {name} has no row, though the run is finished"
    for erasure in plan.timeline.erasures:
        for name in of_erasures(plan, store):
            if store.audit(_key(name, erasure)) is None:
                who = request_of(erasure.kind).name(erasure)
                yield f"{who}: audit {name} has no row, though the run is finished"
