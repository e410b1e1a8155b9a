"""Spiking networks in scenarios: main models of peers, and the global model of an averaging server."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients import wire
from simulator.errors import ScenarioError
from simulator.runner import prepare, resume, run
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.scenario import Scenario
from simulator.storage.reading import reading

FILE = Path(__file__).parents[2] / "experiments" / "scenarios" / "spiking.toml"
SPIKING: dict[str, Any] = {"kind": "spiking", "hidden": [12], "steps": 4}
DELETE = {"round": 2, "do": "delete", "peer": 0, "rows": {"fraction": 0.2}}
SMALL: dict[str, Any] = {
    "name": "spikes",
    "seed": 3,
    "rounds": 2,
    "data": {"dataset": "digits", "rows": 150, "reference": 20, "test": 30, "partition": {"kind": "iid"}},
    "training": {"epochs": 1},
    "event": [DELETE],
    "audit": {"counterfactual": False},
}
HDUS: dict[str, Any] = {
    "peers": {"count": 3, "main": [SPIKING], "seed": {"kind": "mlp", "hidden": [8]}},
    "distillation": {"epochs": 2},
    "topology": {"kind": "ring"},
}
AVERAGED: dict[str, Any] = {"federation": {"kind": "fedavg"}, "peers": {"count": 3, "main": [SPIKING]}}


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., Run]:
    return lambda **changes: run(Scenario.parse(SMALL | changes), tmp_path / "runs")


def test_an_averaged_spiking_model_is_retrained_exactly(play: Callable[..., Run]) -> None:
    finished = play(**AVERAGED, audit={"counterfactual": True})
    (erasure,) = finished.results["erasures"]
    assert (erasure["method"], erasure["guarantee"], erasure["max_abs_difference"]) == ("retrain", "exact", 0.0)
    assert verify(finished.folder) == []
    with reading(finished.folder) as store:
        weights = wire.from_bytes(store.artefact(str(store.model("global"))))
    assert weights["hidden.0.threshold"].tolist() == [1.0] * 12, "the mean of equal thresholds is the threshold"
    assert weights["hidden.0.pruned"].dtype == np.bool_
    assert not weights["hidden.0.pruned"].any()


def test_a_request_to_a_spiking_main_model_tells_what_each_phase_did(play: Callable[..., Run]) -> None:
    method = {"kind": "spiking", "repair": 1}
    both = [DELETE | {"peer": 0}, DELETE | {"peer": 1}]
    main = [{"kind": "approximate", "base": SPIKING, "method": method}, SPIKING]
    finished = play(**HDUS | {"peers": HDUS["peers"] | {"main": main}}, event=both)
    asked, exact = finished.results["erasures"]
    assert (asked["guarantee"], exact["guarantee"]) == ("approximate", "exact")
    assert [note.split(":")[0] for note in asked["notes"]] == ["choice", "retraining", "pruning", "thresholds"]
    assert verify(finished.folder) == []


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The ready scenario, without audits."""
    return run(ready_scenario(), tmp_path_factory.mktemp("ready"))


def ready_scenario(**engine: Any) -> Scenario:
    """Return the ready scenario with fewer epochs and no audits."""
    table = tomllib.loads(FILE.read_text(encoding="utf-8"))
    less = {"training": {"epochs": 1}, "distillation": {"epochs": 1}, "audit": {"counterfactual": False}}
    return Scenario.parse(table | less | {"expect": [], "engine": engine or {"kind": "inline"}})


def test_the_ready_scenario_forgets_by_the_method_and_by_training_again(ready: Run) -> None:
    assert [one["guarantee"] for one in ready.results["erasures"]] == ["approximate", "exact", "approximate"]
    assert verify(ready.folder) == []


@pytest.mark.slow
def test_the_ready_scenario_holds_what_it_expects(tmp_path: Path) -> None:
    done = run(Scenario.load(FILE), tmp_path)
    assert done.unmet == []
    assert done.results["verdict"]["name"] == "measured"
    assert done.results["erasures"][1]["max_abs_difference"] == 0.0, "trained again, beside peers that forget otherwise"


@pytest.mark.slow
@pytest.mark.parametrize("engine", [{"kind": "ray", "workers": 2}, {"kind": "grpc"}, {"kind": "flower", "workers": 2}], ids=str)
def test_the_ready_scenario_has_one_digest_on_every_engine(ready: Run, tmp_path: Path, engine: dict[str, Any]) -> None:
    played = run(ready_scenario(**engine), tmp_path)
    assert played.digest == ready.digest
    assert verify(played.folder) == []


@pytest.mark.slow
def test_the_ready_scenario_killed_and_resumed_ends_alike(ready: Run, tmp_path: Path, kill_after: Callable[[Path, float], bool]) -> None:
    folder = prepare(ready_scenario(), tmp_path)
    assert sum(kill_after(folder, seconds) for seconds in (1.0, 2.0, 3.0)) > 0
    assert resume(folder).digest == ready.digest


@pytest.mark.parametrize(("change", "place"), [({"steps": 0}, "peers.main.0.steps"), ({"leak": 1.5}, "peers.main.0.leak")])
def test_impossible_settings_are_answered_in_one_line(change: dict[str, Any], place: str) -> None:
    peers = HDUS["peers"] | {"main": [SPIKING | change]}
    with pytest.raises(ScenarioError) as caught:
        Scenario.parse(SMALL | HDUS | {"peers": peers})
    (line,) = caught.value.lines
    assert place in line
