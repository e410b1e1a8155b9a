"""The figures of one finished run that a table over many runs is made of: metrics, what forgetting led to, and costs.

No time is among them: a run that is played again takes other seconds and has everything else alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from server.ledger import FEDERATION
from simulator.audits.counterfactual import DIFFERENCE
from simulator.runs.comparisons import rows
from simulator.runs.run import Run
from simulator.storage.reading import reading
from simulator.tasks.contract import cell_of

Group = Literal["measured", "forgetting", "costs"]


@dataclass(frozen=True)
class Measure:
    """What is measured: its name, its unit, and of what it tells."""

    name: str
    unit: str
    group: Group


def measures(run: Run) -> dict[Measure, float]:
    """Return every figure of a finished run; one that was not measured is missing.

    Of a federation's metrics the last value counts, of costs the sum over rounds; each of several attacks has its own figures. Of all
    erasures of one kind (a peer, rows, edges) it is the mean of what audits found, of ``max_abs_difference`` the largest, and the sum of
    costs.
    """
    found = [*_metrics(run), *_attacked(run.results), *_forgetting(run.results), *_compared(run.results)]
    order: tuple[Group, ...] = ("measured", "forgetting", "costs")
    return {measure: value for group in order for measure, value in found if measure.group == group}


def _metrics(run: Run) -> Iterator[tuple[Measure, float]]:
    declared = cell_of(run.plan).metrics(run.plan.configs[0])
    values: dict[str, list[float]] = {}
    with reading(run.folder) as store:
        query = "select name, value from metrics where peer = ? and value is not null order by round, rowid"
        for name, value in store.rows(query, (FEDERATION,)):
            values.setdefault(name, []).append(value)
    for name, column in sorted(values.items()):
        metric = declared.of(name)
        if metric.fold == "sum":
            yield Measure(declared.label(name), metric.unit, "costs"), math.fsum(column)
        else:
            yield Measure(declared.label(name), metric.unit, "measured"), column[-1]


def _attacked(results: Mapping[str, Any]) -> Iterator[tuple[Measure, float]]:
    """Yield what each of several attacks found, under ``attack.<number>.<adversary>.<row>.<key>``, counted from 0.

    A single one has figures only of what is no metric: the worst of the others, and whether the concept was named.
    """
    found = results.get("revivals", ())
    for number, one in enumerate(found):
        if "named" in one:
            yield Measure(f"attack.{number}.{one['adversary']}.named", "share", "measured"), float(one["named"]["right"])
        for row, scores in one.items():
            for key in ("target", "others") if len(found) > 1 and isinstance(scores, dict) and "target" in scores else ():
                yield Measure(f"attack.{number}.{one['adversary']}.{row}.{key}", "share", "measured"), scores[key]
            if isinstance(scores, dict) and (worst := scores.get("worst")):
                yield Measure(f"attack.{number}.{one['adversary']}.{row}.worst", "share", "measured"), worst["share"]


def _forgetting(results: Mapping[str, Any]) -> Iterator[tuple[Measure, float]]:
    """Yield figures of the erasures by kind, under ``<kind>.<key>`` with the keys of the results."""
    erasures, columns = results["erasures"], [column for audit in results["audits"].values() for column in audit]
    for kind in sorted({one["kind"] for one in erasures}):
        own = [one for one in erasures if one["kind"] == kind]
        for column in columns:
            for key in column["keys"].values():
                values = [float(one[key]) for one in own if one.get(key) is not None]
                if values and column["format"] != "seconds":
                    value = max(values) if column["name"] == DIFFERENCE.name else math.fsum(values) / len(values)
                    yield Measure(f"{kind}.{key}", column["unit"], "forgetting"), value
        for key, unit in (("gradient_steps", "steps"), ("bytes", "bytes")):
            yield Measure(f"{kind}.{key}", unit, "costs"), math.fsum(one[key] for one in own)


def _compared(results: Mapping[str, Any]) -> Iterator[tuple[Measure, float]]:
    """Yield figures of compared methods under ``compare.<event>.<row>.<key>``."""
    for one in results.get("compare", ()):
        for row in one["compared"]:
            for key, group, value in rows.numbers(row):
                if value is not None:
                    unit = rows.UNITS.get(key, "share")
                    yield Measure(f"compare.{one['event']}.{row['row']}.{key}", unit, group), float(value)


def all_measures(found: Iterable[Mapping[Measure, float]]) -> list[Measure]:
    """Return every measure that any run has, in the order of the groups."""
    known = list(dict.fromkeys(measure for one in found for measure in one))
    return sorted(known, key=lambda measure: ("measured", "forgetting", "costs").index(measure.group))
