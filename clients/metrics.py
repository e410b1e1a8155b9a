"""Declarations of metrics: name, aggregation of peers' values, unit, and which direction is better.

Data sets, peers' configs and coordinators declare their metrics; sending or recording an undeclared metric is an error. A family such as
``accuracy.sampled.<class>`` stands for every name with one word in place of ``<class>``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal

Fold = Literal["mean", "weighted mean", "sum", "max"]
Direction = Literal["higher", "lower"]


class MetricError(ValueError):
    """A metric is not declared or cannot be aggregated; the message is one line with its name and the cure."""


@dataclass(frozen=True)
class Metric:
    """One metric, or a family of them.

    Parameters
    ----------
    name : str
        Name in the ledger; words in angle brackets make a family: ``accuracy.sampled.<class>``.
    fold : {"mean", "weighted mean", "sum", "max"}
        How the federation's value is computed from its peers' values. Costs are summed; of measurements, the mean is taken, or the largest,
        and the last one counts.
    unit : str
        ``share`` (of one), ``steps``, ``bytes``, ...
    better : {"higher", "lower"}, optional
        Which direction is better; None if neither is.
    label : str
        Name shown to users; default ``name``.
    weight : str
        For a weighted mean: name of the metric, sent by the same peers, that holds the weights.
    """

    name: str
    fold: Fold
    unit: str
    better: Direction | None = None
    label: str = ""
    weight: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", self.label or self.name)
        if (self.fold == "weighted mean") != bool(self.weight):
            raise MetricError(f"metric {self.name!r}: a weighted mean, and nothing else, names its weight: set fold and weight together")

    def at(self, place: str) -> Metric:
        """Return the metric as measured at a place such as ``global.main``, which is appended to name and label."""
        return replace(self, name=f"{self.name}.{place}", label=f"{self.label}.{place}")

    def matches(self, name: str) -> bool:
        """Return whether a ledger name or a label is this metric's or belongs to this family."""
        return any(re.fullmatch(re.sub(r"<[^<>]*>", "[^.<>]+", re.escape(known)), name) for known in (self.name, self.label))


STEPS = (
    Metric("gradient_steps", "sum", "steps", "lower"),
    Metric("distillation_steps", "sum", "steps", "lower"),
    Metric("unlearning_steps", "sum", "steps", "lower"),
    Metric("unlearning_rows", "sum", "rows", "lower"),
    Metric("arrival_steps", "sum", "steps", "lower"),
    Metric("arrival_parts", "sum", "parts", "lower"),
)
"""Costs of every peer, independent of the task."""


class Metrics:
    """All metrics declared for one run.

    Parameters
    ----------
    declared : iterable of Metric
        If several match a name, those without a placeholder take precedence, then the first.
    """

    def __init__(self, declared: Iterable[Metric]) -> None:
        self.declared = tuple(sorted(declared, key=lambda metric: "<" in metric.name))
        self._known: dict[str, Metric] = {}

    def of(self, name: str, where: str = "") -> Metric:
        """Return the metric of this name; ``MetricError`` if it is not declared. ``where`` starts the message and names the sender."""
        if name not in self._known:
            found = next((metric for metric in self.declared if metric.matches(name)), None)
            if found is None:
                raise MetricError(f"{where}metric {name!r} is not declared: {self.suggestion(name)}")
            self._known[name] = found
        return self._known[name]

    def suggestion(self, name: str) -> str:
        """Return ``did you mean ...?``, if a label is similar, and all labels."""
        labels = sorted({metric.label for metric in self.declared})
        close = get_close_matches(name, labels, n=1)
        return (f"did you mean {close[0]}? " if close else "") + f"declared: {', '.join(labels)}"

    def stored(self, name: str) -> str:
        """Return the ledger's name for a label or a ledger name; ``MetricError`` as in ``of``."""
        metric = self.of(name)
        return metric.name if name == metric.label else name

    def label(self, name: str) -> str:
        """Return the label for a ledger name; ``MetricError`` as in ``of``."""
        metric = self.of(name)
        return metric.label if name == metric.name else name

    def folded(self, lines: Iterable[tuple[int, str, float]]) -> list[tuple[str, float]]:
        """Return the federation's value of every metric, sorted by name, from peers' lines (peer, name, value) in peer order."""
        columns: dict[str, dict[int, list[float]]] = {}
        for peer, name, value in lines:
            columns.setdefault(name, {}).setdefault(peer, []).append(value)
        return [(name, self._fold(name, columns)) for name in sorted(columns)]

    def _fold(self, name: str, columns: Mapping[str, Mapping[int, list[float]]]) -> float:
        metric, column = self.of(name), columns[name]
        values = [value for own in column.values() for value in own]
        if metric.fold == "sum":
            return math.fsum(values)
        if metric.fold == "max":
            return max(values)
        if metric.fold == "mean":
            return math.fsum(values) / len(values)
        weights = columns.get(metric.weight, {})
        if lacking := sorted(column.keys() - weights.keys()):
            raise MetricError(f"metric {name!r} of peer {lacking[0]} comes without its weight {metric.weight!r}: send both")
        weighted = [weights[peer][-1] * own[-1] for peer, own in column.items()]
        total = math.fsum(weights[peer][-1] for peer in column)
        if total <= 0:
            raise MetricError(f"metric {name!r}: the weights {metric.weight!r} add up to {total:g}: they must be above 0")
        return math.fsum(weighted) / total
