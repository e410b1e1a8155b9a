"""Means over seeds with their intervals, and differences between variants, seed by seed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from simulator.sweeps.design import Design
from simulator.sweeps.measures import Measure, all_measures

LEVEL = 0.95
"""Confidence of the intervals."""


@dataclass(frozen=True)
class Estimate:
    """A mean over ``n`` seeds, and the ends of its interval; none where one seed, or an infinite value, gives none."""

    n: int
    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Line:
    """One line of the table: a measure under a variant, and its difference to the first variant, None where there is nothing to compare."""

    measure: Measure
    variant: int
    own: Estimate
    difference: Estimate | None = None


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean of independent values, at least one, with Student's interval: mean +- t(n - 1) * s / sqrt(n)."""
    from scipy.stats import t

    count, mean = len(values), math.fsum(values) / len(values)
    if count < 2 or not math.isfinite(mean):
        return Estimate(count, mean)
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    half = float(t.ppf((1 + LEVEL) / 2, count - 1)) * math.sqrt(variance / count)
    return Estimate(count, mean, mean - half, mean + half)


def lines(design: Design, found: Sequence[Mapping[Measure, float] | None]) -> list[Line]:
    """Return the table, measure by measure.

    Parameters
    ----------
    design : Design
    found : sequence of mapping
        What each run measured, in the order of the design; None where it is not finished.
    """
    return [line for measure in all_measures(one for one in found if one is not None) for line in _of(measure, design, found)]


def _of(measure: Measure, design: Design, found: Sequence[Mapping[Measure, float] | None]) -> Iterator[Line]:
    columns: list[dict[int, float]] = [{} for _ in design.variants]
    for one, values in zip(design.runs, found, strict=True):
        if values is not None and measure in values:
            columns[one.variant][one.seed] = values[measure]
    for variant, column in enumerate(columns):
        if column:
            yield Line(measure, variant, estimate(list(column.values())), _difference(design, variant, column, columns[0]))


def _difference(design: Design, variant: int, column: Mapping[int, float], first: Mapping[int, float]) -> Estimate | None:
    """Return the mean difference to the first variant over the seeds that both have; None where they are judged on other rows."""
    common = [seed for seed in design.seeds if seed in column and seed in first]
    if variant == 0 or not common or not shared(design, variant):
        return None
    pairs = [(column[seed], first[seed]) for seed in common]
    return estimate([0.0 if a == b else a - b for a, b in pairs])  # of two infinite values too


def shared(design: Design, variant: int) -> bool:
    """Return whether a variant is judged, seed by seed, on the same rows as the first."""
    rows = {(one.variant, one.seed): one.judged_on for one in design.runs}
    return all(rows[variant, seed] == rows[0, seed] for seed in design.seeds)
