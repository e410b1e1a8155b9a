"""Reading what a report needs out of a run directory."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from clients import data as datasets
from clients import wire
from clients.classification.hdus.config import HdusConfig
from clients.spec import Spec
from server.app import FEDERATION
from server.timeline import Erasure, Round
from simulator.errors import LetheError
from simulator.report.diffusion.collect import roots
from simulator.report.model import (
    Accuracy,
    ErasureRow,
    EventRow,
    ExpectationRow,
    GraphChange,
    HoldingsChange,
    Incident,
    Outcome,
    PeerRow,
    ReportData,
    RoundRow,
    Status,
)
from simulator.scenarios.plan import Plan
from simulator.storage.store import RunStore
from simulator.tasks.contract import cell_of

_NAMES = {field: f"accuracy.{field.replace('_', '.')}" for field in Accuracy.__dataclass_fields__}


def collect(run_dir: Path | str) -> ReportData:
    """Return what a report shows of a finished run; ``LetheError`` if it is not a run directory or not finished."""
    from simulator.runs.directory import read_plan

    folder = Path(run_dir)
    plan = read_plan(folder)
    if not (folder / "results.json").is_file():
        raise LetheError(f"{folder}: the run is not finished: `lethe resume {folder}`")
    results = json.loads((folder / "results.json").read_text())
    store = RunStore(folder)
    try:
        return _collect(plan, store, results)
    finally:
        store.close()


def _collect(plan: Plan, store: RunStore, results: Mapping[str, Any]) -> ReportData:
    accuracies = _accuracies(store)
    final = accuracies.get(FEDERATION, {}).get(plan.rounds + 1, Accuracy())
    seconds = [row["seconds"] for row in results["timeline"]]
    first, *others = plan.configs[0].data.metrics
    return ReportData(
        name=plan.name,
        seed=plan.seed,
        engine=_engine(plan, str(results["engine"])),
        digest=str(results["digest"]),
        dataset=plan.configs[0].data.tag,
        classes=plan.labels,
        accuracy=final,
        rounds=tuple(_round(row, first.label) for row in results["timeline"]),
        peers=_peers(plan, accuracies),
        scenario=plan.scenario.to_toml(),
        versions=tuple(json.loads(store.meta("versions") or "{}").items()),
        seconds=None if None in seconds else math.fsum(seconds),
        events=tuple(
            EventRow(number, do, tuple(json.loads(peers)), detail)
            for number, do, peers, detail in store.rows("select round, do, peers, detail from events order by rowid")
        ),
        graphs=() if cell_of(plan).pooled else tuple(_graphs(plan.timeline.rounds)),
        holdings=() if cell_of(plan).pooled else tuple(_holdings(plan.timeline.erasures, store)),
        erasures=tuple(
            _erasure(row, (store.audit(f"request-{one.request}") or {}).get(str(one.index), {}))
            for one, row in zip(plan.timeline.erasures, results["erasures"], strict=True)
        ),
        expectations=tuple(
            ExpectationRow(f"After round {one['after']}: {one['expected']}", bool(one["met"]), str(one["found"]))
            for one in results["expectations"]
        ),
        incidents=tuple(Incident(number, text) for number, text in store.rows("select round, text from incidents order by rowid")),
        task=getattr(plan.scenario, "task", "classification"),
        pooled=cell_of(plan).pooled,
        measure=first.label,
        metrics=tuple((one.label, _final_evaluation(results.get("metrics", {}).get(one.label, {}))) for one in others),
        roots=roots(results, plan.labels, lambda sha256: wire.from_bytes(store.artefact(sha256))),
    )


def _engine(plan: Plan, name: str) -> str:
    workers = getattr(plan.scenario.engine, "workers", None)
    return f"{name}, {workers} worker{'' if workers == 1 else 's'}" if workers and name != "inline" else name


def _accuracies(store: RunStore) -> dict[int, dict[int, Accuracy]]:
    """Return accuracies by peer (the federation's means under ``FEDERATION``) and round."""
    found: dict[int, dict[int, dict[str, float]]] = {}
    fields = {name: field for field, name in _NAMES.items()}
    for number, peer, name, value in store.rows("select round, peer, name, value from metrics where name like 'accuracy.%'"):
        if name in fields:
            found.setdefault(peer, {}).setdefault(number, {})[fields[name]] = value
    return {peer: {number: Accuracy(**values) for number, values in rounds.items()} for peer, rounds in found.items()}


def _final_evaluation(metric: Mapping[str, Mapping[str, float | None]]) -> Accuracy:
    return Accuracy(**{f"{mix}_{model}": value for mix, models in metric.items() for model, value in models.items()})


def _round(row: Mapping[str, Any], metric: str) -> RoundRow:
    accuracy = Accuracy(**{field: row.get(f"{metric}_{field}") for field in _NAMES})
    return RoundRow(row["round"], row["live"], accuracy, row["seconds"], row["bytes_overlay"], row["bytes_physical"], row["gradient_steps"])


def _peers(plan: Plan, accuracies: Mapping[int, Mapping[int, Accuracy]]) -> tuple[PeerRow, ...]:
    labels = datasets.load(plan.configs[0].data).y
    rounds = plan.timeline.rounds
    rows = []
    for peer, config in enumerate(plan.configs):
        own = accuracies.get(peer, {})
        rows.append(
            PeerRow(
                peer=peer,
                main=describe(config.main) if isinstance(config, HdusConfig) else config.model,
                counts=tuple(int(n) for n in np.bincount(labels[list(config.rows)], minlength=plan.classes)),
                status=_status(peer, rounds),
                member=tuple(peer in now.members for now in rounds),
                present=tuple(peer in now.present for now in rounds),
                accuracy=tuple(own.get(now.round) for now in rounds),
                final=own.get(plan.rounds + 1),
            )
        )
    return tuple(rows)


def describe(spec: Spec) -> str:
    """Return a model's table in short: ``mlp (hidden 64)``."""
    values = {name: getattr(spec, name) for name in type(spec).model_fields if name != "kind"}
    inside = ", ".join(f"{name} {_short(value)}" for name, value in values.items() if value is not None)
    return f"{getattr(spec, 'kind', '?')}" + (f" ({inside})" if inside else "")


def _short(value: Any) -> str:
    if isinstance(value, Spec):
        return describe(value)
    if isinstance(value, tuple | list):
        return "-".join(str(part) for part in value)
    return str(value)


def _status(peer: int, rounds: tuple[Round, ...]) -> Status:
    last = rounds[-1]
    if peer in last.members:
        return "present" if peer in last.present else "away"
    return "erased" if any(peer in now.erased for now in rounds) else "left"


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


def _erasure(row: Mapping[str, Any], audit: Mapping[str, Any]) -> ErasureRow:
    """Return an erasure's row; the audit is asked for differences, since results.json cannot say *infinite*."""
    found = audit.get("max_abs_difference")
    holders, receipts = len(row["holders"]), len(row["receipts"])
    return ErasureRow(
        round=row["round"],
        kind=row["kind"],
        peer=row["peer"],
        rows=row["rows"],
        method=str(row["method"]).replace("_", " "),
        guarantee=row["guarantee"],
        request=row["request"],
        edges=row.get("edges", 0),
        outcome=Outcome(
            found, row["gradient_steps"], row["seconds"], row["bytes"], holders, receipts, row["mia_auc"], row["relearn_steps"]
        ),
        retrained=Outcome(
            difference=None if found is None else 0.0,
            gradient_steps=_whole(audit.get("retrain_gradient_steps")),
            seconds=audit.get("retrain_seconds"),
            bytes=_whole(audit.get("retrain_bytes")),
            mia_auc=row["mia_auc_counterfactual"],
            relearn_steps=row["relearn_steps_counterfactual"],
        ),
        nothing=Outcome(
            difference=audit.get("max_abs_difference_nothing"),
            gradient_steps=0,
            seconds=0.0,
            bytes=0,
            holders=holders,
            receipts=0,
            mia_auc=audit.get("mia_auc_nothing"),
            relearn_steps=audit.get("relearn_steps_nothing"),
        ),
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
