"""The scenario of certified removals: every certificate holds, a spent budget forces a training and says so, on every engine alike."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from simulator.runner import resume, run
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.storage.store import RunStore
from tests.experiments.on_adult import PART, on_adult

FEW = [*PART, "distillation.epochs=1", "audit.counterfactual=false", "peers.main.2.sigma=30.0"]

certified = partial(on_adult, "certified")


def assert_certified(finished: Run) -> None:
    rows = finished.results["erasures"]
    assert {row["guarantee"] for row in rows} == {"certified(1, 0.0001)"}
    assert all(row["certificate"]["bound"] <= row["certificate"]["budget"] for row in rows)
    spent = [(row["round"], row["peer"]) for row in rows if "trained again with a fresh perturbation" in " ".join(row["notes"])]
    assert spent
    assert {peer for _, peer in spent} == {2}, "bounds from constants alone spend a budget that measured ones do not"
    assert [row["certificate"]["draw"] > 0 for row in rows] == [
        any(s[0] <= row["round"] and s[1] == row["peer"] for s in spent) for row in rows
    ]
    assert finished.results["verdict"]["name"] == "proven"
    assert verify(finished.folder) == []


@pytest.mark.slow
def test_a_part_is_certified_and_the_same_on_every_engine(shared_data: Path, tmp_path: Path) -> None:
    inline = run(certified(shared_data, *FEW), tmp_path / "inline")
    assert_certified(inline)
    for engine in ("ray", "grpc", "flower"):
        assert run(certified(shared_data, *FEW, f"engine.kind='{engine}'"), tmp_path / engine).digest == inline.digest


@pytest.mark.slow
def test_a_part_that_is_interrupted_in_any_round_ends_alike(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, commit = run(certified(shared_data, *FEW), tmp_path / "whole"), RunStore.commit
    for last in range(2, 6):

        def until(self: RunStore, record: object, last: int = last) -> None:
            commit(self, record)  # type: ignore[arg-type]
            if record.round == last:  # type: ignore[attr-defined]
                raise KeyboardInterrupt

        folder = tmp_path / f"until-{last}"
        with monkeypatch.context() as patch:
            patch.setattr(RunStore, "commit", until)
            with pytest.raises(KeyboardInterrupt):
                run(certified(shared_data, *FEW), folder)
        assert resume(next(folder.iterdir())).digest == whole.digest


@pytest.mark.slow
def test_the_whole_scenario_is_certified_beside_retraining(shared_data: Path, tmp_path: Path) -> None:
    finished = run(certified(shared_data), tmp_path)
    assert_certified(finished)
    assert finished.accuracy["global"]["main"] > 0.76
    measured = [row for row in finished.results["erasures"] if row["peer"] != 2]
    assert all(0 < row["max_abs_difference"] < row["max_abs_difference_nothing"] for row in measured)
