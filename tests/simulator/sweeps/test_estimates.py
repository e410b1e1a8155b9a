"""Means, intervals and paired differences, against figures that are known, on designs made up by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy import stats

from simulator.sweeps.design import Design, Planned
from simulator.sweeps.estimates import Estimate, estimate, lines
from simulator.sweeps.measures import Measure
from simulator.sweeps.tables import as_csv, as_latex, escaped, number
from simulator.sweeps.variants import Variant

GAIN = Measure("gain_of_all", "share", "measured")


def design(variants: int, seeds: int, judged_on: Sequence[str] = ()) -> Design:
    known: Any = None
    runs = [
        Planned(variant, seed, f"{variant}/{seed}", known, f"{variant:04}{seed:04}", "x", judged_on[variant] if judged_on else "")
        for variant in range(variants)
        for seed in range(seeds)
    ]
    return Design("made-up", tuple(Variant((("a.b", str(value)),)) for value in range(variants)), tuple(range(seeds)), tuple(runs))


def found(*columns: Sequence[float | None]) -> list[dict[Measure, float] | None]:
    return [None if value is None else {GAIN: value} for column in columns for value in column]


def test_the_interval_is_students() -> None:
    one = estimate([1.0, 2.0, 3.0])
    assert (one.n, one.mean) == (3, 2.0)
    assert one.low == pytest.approx(2 - 4.302653 / math.sqrt(3), rel=1e-6)  # t(.975; 2) from the table
    values = np.random.default_rng(0).normal(size=7).tolist()
    low, high = stats.t.interval(0.95, 6, np.mean(values), stats.sem(values))
    assert (estimate(values).low, estimate(values).high) == pytest.approx((low, high))


def test_the_interval_covers_as_often_as_it_says() -> None:
    draws = np.random.default_rng(1).normal(0.3, 2.0, size=(2000, 5)).tolist()
    covered = np.mean([one.low <= 0.3 <= one.high for one in map(estimate, draws) if one.low is not None and one.high is not None])
    assert covered == pytest.approx(0.95, abs=3 * math.sqrt(0.95 * 0.05 / 2000))


def test_one_seed_and_infinite_values_have_no_interval() -> None:
    assert estimate([4.0]) == Estimate(1, 4.0)
    assert estimate([4.0, math.inf]) == Estimate(2, math.inf)
    assert estimate([4.0, 4.0]) == Estimate(2, 4.0, 4.0, 4.0)


def test_differences_are_taken_seed_by_seed_where_the_rows_are_shared() -> None:
    first, other = [0.1, 0.5, 0.9], [0.2, 0.61, 0.99]
    _, line = lines(design(2, 3), found(first, other))
    assert line.difference is not None
    assert line.difference.mean == pytest.approx(0.1)
    assert line.difference.high is not None
    assert line.own.high is not None
    assert line.difference.high - line.difference.mean < 0.1 * (line.own.high - line.own.mean), "the seeds' spread cancels"
    _, apart = lines(design(2, 3, ["these rows", "those rows"]), found(first, other))
    assert apart.difference is None
    assert apart.own == line.own


def test_what_was_not_measured_is_not_counted() -> None:
    first, other = lines(design(2, 3), found([0.1, None, 0.3], [0.2, 0.4, 0.6]))
    assert (first.own.n, other.own.n) == (2, 3)
    assert other.difference is not None
    assert (other.difference.n, other.difference.mean) == (2, pytest.approx(0.2))
    (alone,) = lines(design(2, 1), found([None], [0.2]))
    assert (alone.variant, alone.difference) == (1, None)


def test_csv_has_every_digit_and_latex_needs_no_package() -> None:
    made, table = design(2, 2), lines(design(2, 2), found([0.1, 0.3], [0.2, 1 / 3]))
    rows = as_csv(made, table).splitlines()
    assert rows[0] == "a.b,measure,unit,n,mean,low,high,difference_n,difference,difference_low,difference_high"
    assert rows[1].startswith("0,gain_of_all,share,2,0.2,-1.07")
    assert rows[1].endswith(",,,,")
    assert rows[2].split(",")[4] == repr((0.2 + 1 / 3) / 2)
    text = as_latex(made, table)
    assert r"gain\_of\_all (share)" in text
    assert "usepackage" not in text
    assert text.count(r" \\") == 1 + 1 + 2
    assert [line.count("&") for line in text.splitlines() if line.startswith("b = ")] == [5, 5]


def test_latex_sets_texts_as_they_stand() -> None:
    assert escaped(r"50 % of a_b \ ~ {x}") == r"50 \% of a\_b \textbackslash{} \textasciitilde{} \{x\}"
    assert escaped("-0.5 to a-1") == "$-$0.5 to a-1"


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (0.123456, "0.1235"), (12345.6, "12,346"), (-1e-9, "-1e-09"), (math.inf, "inf")])
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text
