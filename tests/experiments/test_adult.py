"""The scenario of mixed main models on a table with categories: exact, and the same on Ray."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from simulator.runner import run
from simulator.runs.run import Run
from simulator.runs.verify import verify
from tests.experiments.on_adult import PART, on_adult

FEW = [*PART, "distillation.epochs=3", "event.1.rows.fraction=0.1", "peers.main.0.trees=10", "peers.main.1.trees=10"]

adult = partial(on_adult, "adult")


def assert_exact(finished: Run, deletions: int) -> None:
    departure, *rows = finished.results["erasures"]
    assert [row["method"] for row in (departure, *rows)] == ["drop_seed", "dare", "hedgecut", "ridge", "sisa"]
    assert sum(row["rows"] for row in rows) == deletions
    assert departure["receipts"]
    for row in (departure, *rows):
        assert (row["guarantee"], row["max_abs_difference"]) == ("exact", 0.0)
        assert row["max_abs_difference_nothing"] > 0.0
    assert all(one["met"] for one in finished.results["expectations"])
    assert finished.results["incidents"] == []
    assert verify(finished.folder) == []


@pytest.mark.slow
def test_a_part_of_adult_is_exact_and_the_same_on_ray(shared_data: Path, tmp_path: Path) -> None:
    inline = run(adult(shared_data, *FEW), tmp_path)
    assert_exact(inline, 96)
    ray = run(adult(shared_data, *FEW, "engine.kind='ray'", "audit.counterfactual=false", "expect=[]"), tmp_path)
    assert ray.digest == inline.digest


@pytest.mark.slow
def test_a_departure_and_a_hundred_deletions_on_adult(shared_data: Path, tmp_path: Path) -> None:
    inline = run(adult(shared_data), tmp_path)
    assert_exact(inline, 100)
    assert inline.accuracy["global"]["main"] > 0.83
    assert inline.accuracy["global"]["ensemble"] > 0.83, "seeds read categories as such; as codes, the ensemble stayed below 0.79"
    ray = run(adult(shared_data, "engine.kind='ray'"), tmp_path)
    assert_exact(ray, 100)
    assert ray.digest == inline.digest
