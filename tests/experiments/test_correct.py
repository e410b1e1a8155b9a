"""The scenario of corrections: steps come near retraining, sums are exact, and a blinded column leaves smaller gaps than before."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.runner import run
from simulator.runs.verify import verify
from tests.experiments.on_adult import on_adult


@pytest.mark.slow
@pytest.mark.parametrize("seed", [7, 8])
def test_corrections_are_near_retraining_and_narrow_the_gap(seed: int, shared_data: Path, tmp_path: Path) -> None:
    done = run(on_adult("correct", shared_data, f"seed={seed}"), tmp_path)
    rows = done.results["erasures"]
    assert {row["kind"] for row in rows} == {"correction"}
    assert {row["max_abs_difference"] for row in rows if row["method"] == "ridge"} == {0.0}
    certified = [row for row in rows if row["guarantee"] == "certified(1, 0.0001)"]
    assert {row["peer"] for row in certified} == {1, 4}, "those whose training has a perturbation"
    assert all(row["certificate"]["bound"] <= row["certificate"]["budget"] for row in certified)
    assert all(row["certificate"] is None for row in rows if row not in certified)
    assert all(row["max_abs_difference"] < 0.1 * row["max_abs_difference_nothing"] for row in rows)
    blinded = [row for row in rows if row["round"] == 4]
    before, after = (sum(row[key] for row in blinded) / len(blinded) for key in ("gap_positive_original", "gap_positive"))
    assert after < before
    assert all(one["met"] for one in done.results["expectations"])
    assert verify(done.folder) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", [7, 8])
def test_an_averaged_model_is_corrected_by_one_step(seed: int, shared_data: Path, tmp_path: Path) -> None:
    done = run(on_adult("averaged_correct", shared_data, f"seed={seed}"), tmp_path)
    labels, column = ([row for row in done.results["erasures"] if row["round"] == number] for number in (6, 8))
    assert {(row["method"], row["max_abs_difference"]) for row in labels} == {("retrain", 0.0)}
    assert {row["method"] for row in column} == {"features_labels"}
    assert all("act on no question" in " ".join(row["notes"]) for row in column)
    assert all(row["gap_positive"] < row["gap_positive_original"] for row in column)
    (table,) = done.results["compare"]
    apart = {row["row"]: row["predictions"] for row in table["compared"]}
    assert apart["retrained again"] < apart["features_labels"] < apart["did nothing"]
    assert all(one["met"] for one in done.results["expectations"])
    assert verify(done.folder) == []
