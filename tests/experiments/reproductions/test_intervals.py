"""Shares, means over seeds, and differences paired by cut."""

from __future__ import annotations

from experiments.intervals import written
from experiments.reproductions.intervals import cell, over_seeds, pooled, shift, text
from experiments.reproductions.lines import Line


def test_shares_are_pooled_over_samples() -> None:
    rows = [{"n": {"target": 4}, "rows": {"a": {"target": 0.5}}}, {"n": {"target": 12}, "rows": {"a": {"target": 1.0}}}]
    assert pooled(rows, "a", "target") == (0.875, 16)
    assert text(0.875, 16) == "0.88 (0.64-0.97)"


def test_samples_that_are_drawn_again_for_every_cut_have_no_interval() -> None:
    line: Line = {"seed": 0, "n": {"target": 4, "others": 4}, "rows": {row: {"target": 1.0, "others": 0.5} for row in ("original", "cut")}}
    assert cell([line, line], "original", "others", ("original",)) == "0.50"
    assert cell([line, {**line, "seed": 1}], "original", "others", ("original",)) == "0.50 (0.22-0.78)"
    assert cell([line, line], "cut", "others", ("original",)) == "0.50 (0.22-0.78)"
    assert cell([line, line], "original", "target", ("original",)) == "1.00 (0.68-1.00)"


def test_seeds_count_once_however_many_cuts_they_have() -> None:
    lines = [{"seed": 0, "x": 0.0}, {"seed": 1, "x": 1.0}, {"seed": 1, "x": 1.0}, {"seed": 1, "x": 1.0}]
    assert over_seeds(lines, lambda line: line["x"]).mean == 0.5
    assert written(over_seeds(lines[:1], lambda line: line["x"])) == "0.000"


def test_a_shift_on_all_cuts_is_told_from_none_and_from_chance() -> None:
    """Cuts differ by far more than the versions do: only the pairing shows it."""

    def told(changes: list[float]) -> str:
        lines: list[Line] = [{"seed": i % 2, "before": i / 10, "after": i / 10 + change} for i, change in enumerate(changes)]
        return shift(lines, lambda line: line["before"], lambda line: line["after"])

    assert told([0.01] * 8) == "0.010 ± 0.000, p 0.0078"
    assert told([0.0] * 8) == "0.000 ± 0.000, p 1"
    assert told([0.01] * 5 + [0.0] * 25).endswith("p 0.062"), "exact, of the five that differ"
    assert float(told([0.01, 0.01, -0.01, -0.01] * 2).split("p ")[1]) > 0.9
