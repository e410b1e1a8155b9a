"""Collection of a report's data from a run directory."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from clients import machine
from clients.spec import located
from server.app import FEDERATION
from server.timeline import Erasure, Round
from simulator.audits import AUDITS
from simulator.audits.contract import AGAIN, NOTHING, ORIGINAL, RETRAINED, RUN, AuditSpec, Row, keys
from simulator.report.model import (
    Accuracy,
    EventRow,
    ExpectationRow,
    GraphChange,
    HoldingsChange,
    Incident,
    Machine,
    PeerRow,
    ReportData,
    RoundRow,
    Status,
)
from simulator.report.outcomes import ArrivalRow, AuditColumn, ErasureRow, Outcome
from simulator.report.words import capital
from simulator.runs import loaded
from simulator.runs.added import asked
from simulator.runs.audits import NOT_JUDGED, audited
from simulator.runs.directory import read_plan
from simulator.runs.expectations import when
from simulator.runs.given import given
from simulator.runs.verdict import Verdict
from simulator.runs.written import read_results
from simulator.scenarios.plan import Plan
from simulator.storage.reading import reading
from simulator.storage.store import RunStore
from simulator.tasks.contract import cell_of

_NAMES = {field: f"accuracy.{field.replace('_', '.')}" for field in Accuracy.__dataclass_fields__}

_FIELDS = {"global_model": "global_ensemble", "local_model": "local_ensemble"}
"""The fields for metrics of one model of all rows, which takes the place of ensembles."""


def collect(run_dir: Path | str, results: Mapping[str, Any] | None = None) -> ReportData:
    """Return the report's data of a finished run, whose results may be given if they are known already; nothing is written.

    ``LetheError`` if the folder is none, or the run not finished.
    """
    folder = Path(run_dir)
    plan = read_plan(folder)
    results = read_results(plan, folder) if results is None else results
    with reading(folder) as store:
        return _collect(plan, store, results)


def _collect(plan: Plan, store: RunStore, results: Mapping[str, Any]) -> ReportData:
    accuracies = _accuracies(store)
    final = accuracies.get(FEDERATION, {}).get(plan.rounds + 1, Accuracy())
    seconds = [row["seconds"] for row in results["timeline"]]
    first, *others = plan.configs[0].data.metrics
    audits, page = _audits(plan, store), cell_of(plan).page
    return ReportData(
        name=plan.name,
        seed=plan.seed,
        engine=_engine(plan, str(results["engine"])),
        digest=str(results["digest"]),
        dataset=plan.configs[0].data.title,
        classes=plan.labels,
        accuracy=final,
        rounds=tuple(_round(row, first.label) for row in results["timeline"]),
        peers=_peers(plan, store, accuracies),
        scenario=plan.scenario.public.to_toml(),
        versions=tuple(json.loads(store.meta("versions") or "{}").items()),
        verdict=Verdict.of(results),
        machine=_machine(results["machine"]),
        seconds=None if None in seconds else math.fsum(seconds),
        events=tuple(
            EventRow(number, do, tuple(json.loads(peers)), detail)
            for number, do, peers, detail in store.rows("select round, do, peers, detail from events order by rowid")
        ),
        graphs=() if cell_of(plan).pooled else tuple(_graphs(plan.timeline.rounds)),
        holdings=() if cell_of(plan).pooled else tuple(_holdings(plan.timeline.erasures, store)),
        erasures=tuple(
            _erasure(row, verdict, audited(plan, store, one), audits)
            for one, row, verdict in zip(plan.timeline.erasures, results["erasures"], Verdict.of_claims(results), strict=True)
        ),
        arrivals=tuple(map(_arrival, results.get("arrivals", ()))),
        compared=tuple(results.get("compare", ())),
        expectations=tuple(
            ExpectationRow(f"{capital(when(one['after']))}: {one['expected']}", bool(one["met"]), str(one["found"]))
            for one in results["expectations"]
        ),
        incidents=tuple(Incident(number, text) for number, text in store.rows("select round, text from incidents order by rowid")),
        waiting=len(results.get("waiting", ())),
        given=tuple(given(plan)),
        pooled=cell_of(plan).pooled,
        measure=first.label,
        metrics=tuple((one.label, _final_evaluation(results.get("metrics", {}).get(one.label, {}))) for one in others),
        columns=tuple(
            AuditColumn(column.name, column.heading, column.format, column.order, column.counts)
            for spec in audits.values()
            for column in spec.columns
            if column.shown
        ),
        terms=tuple(term for spec in audits.values() for term in spec.terms),
        examined=tuple((name, tuple(told["lines"])) for name, told in results.get("examined", {}).items()),
        page=page,
        sections=tuple(dict.fromkeys(section for spec in audits.values() for section in spec.sections)),
        own=located(page)().collect(plan, store, results),
    )


def _engine(plan: Plan, name: str) -> str:
    workers = getattr(plan.scenario.engine, "workers", None)
    return f"{name}, {workers} worker{'' if workers == 1 else 's'}" if workers and name != "inline" else name


def _machine(told: Mapping[str, Any]) -> Machine:
    """Return the machine of a run; its decisive facts are the driver's, which workers must share."""
    driver, workers = told["driver"], told["workers"]
    facts = [(what, driver[key]) for key, what in machine.DECISIVE.items()]
    processors = dict.fromkeys(one["processor"] for one in (driver, *workers))
    threads = dict.fromkeys(", ".join(f"{name} {count}" for name, count in one["threads"].items()) for one in (driver, *workers))
    facts += [("processor", "; ".join(processors)), ("system", driver["system"]), ("threads of a process", "; ".join(threads))]
    versions = ", ".join(f"{name} {driver['versions'][name]}" for name in ("python", *machine.COMPUTING) if name in driver["versions"])
    return Machine(told["level"], (*facts, ("versions", versions)))


def _accuracies(store: RunStore) -> dict[int, dict[int, Accuracy]]:
    """Return accuracies by peer and round; the federation's means are under ``FEDERATION``."""
    found: dict[int, dict[int, dict[str, float]]] = {}
    fields = {name: field for field, name in _NAMES.items()}
    fields |= {f"accuracy.{name.replace('_', '.')}": field for name, field in _FIELDS.items()}
    for number, peer, name, value in store.rows("select round, peer, name, value from metrics where name like 'accuracy.%'"):
        if name in fields:
            found.setdefault(peer, {}).setdefault(number, {})[fields[name]] = value
    return {peer: {number: Accuracy(**values) for number, values in rounds.items()} for peer, rounds in found.items()}


def _final_evaluation(metric: Mapping[str, Mapping[str, float | None]]) -> Accuracy:
    values = {f"{mix}_{model}": value for mix, models in metric.items() for model, value in models.items()}
    return Accuracy(**{_FIELDS.get(field, field): value for field, value in values.items()})


def _round(row: Mapping[str, Any], metric: str) -> RoundRow:
    found = {_FIELDS.get(field, field): row.get(f"{metric}_{field}") for field in (*_FIELDS, *_NAMES) if f"{metric}_{field}" in row}
    accuracy = Accuracy(**found)
    return RoundRow(row["round"], row["live"], accuracy, row["seconds"], row["bytes_overlay"], row["bytes_physical"], row["gradient_steps"])


def _peers(plan: Plan, store: RunStore, accuracies: Mapping[int, Mapping[int, Accuracy]]) -> tuple[PeerRow, ...]:
    data = loaded.dataset_of(plan, store)
    rounds = plan.timeline.rounds
    stored = {peer: size for peer, state in store.states().items() if (size := store.size(state.main)) is not None}
    rows = []
    for peer, config in enumerate(plan.configs):
        own = accuracies.get(peer, {})
        rows.append(
            PeerRow(
                peer=peer,
                main=config.model,
                counts=tuple(int(n) for n in np.bincount(data.classes_of(config.rows), minlength=plan.classes)),
                status=_status(peer, rounds),
                member=tuple(peer in now.members for now in rounds),
                present=tuple(peer in now.present for now in rounds),
                accuracy=tuple(own.get(now.round) for now in rounds),
                final=own.get(plan.rounds + 1),
                stored=stored.get(peer),
            )
        )
    return tuple(rows)


def _status(peer: int, rounds: tuple[Round, ...]) -> Status:
    """Return a peer's status after the last round; of two departures the last one counts."""
    last = rounds[-1]
    if peer in last.members:
        return "present" if peer in last.present else "away"
    stayed = max((now.round for now in rounds if peer in now.members), default=0)
    if any(peer in now.erased for now in rounds if now.round > stayed):
        return "erased"
    left = stayed or any(one.do == "leave" and peer in one.peers for one in rounds[0].happenings)
    return "left" if left else "never joined"


def _graphs(rounds: tuple[Round, ...]) -> Iterable[GraphChange]:
    """Yield each change of the graph from one round to the next."""
    for before, now in pairwise(rounds):
        if before.edges != now.edges or set(before.members) - set(now.members):
            leavers = tuple(sorted(set(before.members) - set(now.members)))
            yield GraphChange(now.round, leavers, before.members, before.edges, now.members, now.edges)


def _holdings(erasures: Iterable[Erasure], store: RunStore) -> Iterable[HoldingsChange]:
    owners: dict[int, set[int]] = {}
    for erasure in erasures:
        owners.setdefault(erasure.round, set()).add(erasure.peer)
    for number, whose in sorted(owners.items()):
        query = "select holder, owner, version from holdings where since <= ? and (until is null or until > ?)"
        before, after = (store.rows(query, (end, end)) for end in (number - 1, number))
        yield HoldingsChange(number, tuple(sorted(whose)), _by_pair(before), _by_pair(after))


def _by_pair(rows: Iterable[tuple[Any, ...]]) -> dict[tuple[int, int], tuple[int, ...]]:
    pairs: dict[tuple[int, int], tuple[int, ...]] = {}
    for holder, owner, version in sorted(rows):
        pairs[holder, owner] = (*pairs.get((holder, owner), ()), version)
    return pairs


def _audits(plan: Plan, store: RunStore) -> dict[str, AuditSpec]:
    """Return the audits of the page by name: those of the run, and those that are always mentioned."""
    ours = asked(plan, store)
    told = AUDITS.working()
    return ours | {name: spec() for name, spec in told.items() if spec.always_told and name not in ours}


def _erasure(row: Mapping[str, Any], verdict: Verdict, found: Mapping[str, Any], audits: Mapping[str, AuditSpec]) -> ErasureRow:
    """Return an erasure's row; its figures come from the ledger, since ``results.json`` cannot represent infinity."""
    holders, receipts = len(row["holders"]), len(row["receipts"])
    reasons: Mapping[str, str] = found.get(NOT_JUDGED, {})

    def outcome(run: Row, **costs: Any) -> Outcome:
        figures = {column.name: found.get(column.key(run)) for spec in audits.values() for column in spec.columns if run in column.rows}
        if run == RETRAINED and found.get("max_abs_difference") is not None:
            figures["max_abs_difference"] = 0.0  # the others are compared with it
        return Outcome(**costs, audited=figures, not_judged=frozenset(c.name for name in reasons for c in audits[name].columns))

    def retrained(run: Row) -> Outcome:
        suffix = "" if run == RETRAINED else run.suffix
        steps, seconds, size = (found.get(f"retrain_{what}{suffix}") for what in ("gradient_steps", "seconds", "bytes"))
        return outcome(run, gradient_steps=_whole(steps), seconds=seconds, bytes=_whole(size))

    beside = {run for spec in audits.values() for key, run in keys(spec.columns) if found.get(key) is not None}
    return ErasureRow(
        round=row["round"],
        kind=row["kind"],
        peer=row["peer"],
        rows=row["rows"],
        method=str(row["method"]).replace("_", " "),
        guarantee=row["guarantee"],
        request=row["request"],
        edges=row.get("edges", 0),
        outcome=outcome(
            RUN, gradient_steps=row["gradient_steps"], seconds=row["seconds"], bytes=row["bytes"], holders=holders, receipts=receipts
        ),
        retrained=retrained(RETRAINED),
        again=retrained(AGAIN) if AGAIN in beside else None,
        nothing=outcome(NOTHING, gradient_steps=0, seconds=0.0, bytes=0, holders=holders, receipts=0),
        original=outcome(ORIGINAL, gradient_steps=0, seconds=0.0, bytes=0) if ORIGINAL in beside else None,
        not_judged=tuple((name.replace("_", " "), reason) for name, reason in reasons.items()),
        notes=tuple(row["notes"]),
        verdict=verdict,
        certificate=row["certificate"],
    )


def _arrival(row: Mapping[str, Any]) -> ArrivalRow:
    return ArrivalRow(
        round=row["round"],
        peer=row["peer"],
        rows=row["rows"],
        method=row["method"],
        guarantee=row["guarantee"],
        gradient_steps=row["gradient_steps"],
        seconds=row["seconds"],
        equal=row["equal"],
        notes=tuple(row["notes"]),
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
