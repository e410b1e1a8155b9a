"""Where a scenario of a denoiser computes, and who judges: settled when the plan is made, and refused there in one line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from simulator import cli
from simulator.errors import ScenarioError
from simulator.runner import prepare
from simulator.runs.directory import read_plan
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.tasks.contract import cell_of, plan_of

ERASE: dict[str, Any] = {"round": 1, "do": "erase", "concept": 3, "peers": "all"}
ATTACK: dict[str, Any] = {"round": 2, "do": "attack", "concept": 3}
ON_CUDA: dict[str, Any] = {"kind": "zero_scan", "revival": {"arithmetic": {"device": "cuda"}}}
SMALL: dict[str, Any] = {
    "task": "diffusion",
    "name": "devices",
    "rounds": 2,
    "data": {"dataset": "digits", "rows": 200, "reference": 40, "test": 10, "partition": {"kind": "iid"}},
    "peers": {"count": 2},
    "federation": {"kind": "fedavg", "policy": {"kind": "union_zero"}},
    "event": [ERASE, ATTACK],
}


def resolved(**changes: Any) -> Any:
    return resolve(Scenario.parse(SMALL | changes))


def attack(plan: Any) -> Any:
    return plan.timeline.rounds[1].acts[0].adversary.revival


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


@pytest.mark.usefixtures("cuda")
def test_a_plan_says_where_it_computes() -> None:
    plain, auto = resolved(), resolved(compute={"device": "auto"})
    there = plain.configs[0].compute.device, attack(plain).arithmetic.device, attack(plain).completion.kind
    assert there == ("cpu", "cpu", "soft_impute")
    assert (auto.configs[0].compute.device, attack(auto).arithmetic.device) == ("cuda", "cuda")
    assert attack(auto).completion.kind == "polar_momentum"
    assert attack(plan_of(auto.model_dump_json())) == attack(auto), "and says the same when it is read back"


def test_without_cuda_auto_is_the_cpu_and_cuda_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolved(compute={"device": "auto"}).configs[0].compute.device == "cpu"
    with pytest.raises(ScenarioError) as said:
        resolved(compute={"device": "cuda"}, engine={"kind": "ray", "gpus_per_worker": 0.5})
    assert str(said.value) == 'scenario: compute: device = "cuda": torch finds no CUDA device here; use "auto" or "cpu"'


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"compute": {"device": "auto"}}, "the run was planned"),
        ({"event": [ERASE, ATTACK | {"adversary": ON_CUDA}]}, "the attack of round 2 was planned"),
    ],
    ids=["run", "attack"],
)
def test_a_run_begun_where_cuda_was_is_one_line_where_it_is_not(
    changes: dict[str, Any], what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    folder = prepare(Scenario.parse(SMALL | changes), tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["lethe", "resume", str(folder)])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith(f'lethe: {folder}: {what} elsewhere, with device = "cuda": torch finds no CUDA device here; use')
    plan = read_plan(folder)
    lacking = cell_of(plan).lacking
    assert (lacking(plan, plan.rounds) is None) == ("event" in changes), "attacks that have been played need no device any more"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert lacking(plan, 0) is None


@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize(
    ("device", "engine", "what"),
    [
        ("cpu", {"kind": "ray", "gpus_per_worker": 0.5}, "is 0.5, but the run computes on the CPU"),
        ("cuda", {"kind": "ray"}, "is 0, but workers of ray are to compute on CUDA"),
        ("auto", {"kind": "flower"}, "is 0, but workers of flower"),
    ],
)
def test_gpus_are_set_aside_for_those_who_use_them(device: str, engine: dict[str, Any], what: str) -> None:
    with pytest.raises(ScenarioError, match=what):
        resolved(compute={"device": device}, engine=engine)
    share = 0.5 if device != "cpu" else 0.0
    resolved(compute={"device": device}, engine=engine | {"gpus_per_worker": share})


HDUS: dict[str, Any] = {
    "name": "devices",
    "rounds": 2,
    "data": {"dataset": "digits", "rows": 200, "reference": 40, "test": 10, "partition": {"kind": "iid"}},
    "peers": {"count": 2, "main": [{"kind": "mlp"}], "seed": {"kind": "linear"}},
    "topology": {"kind": "ring"},
}
AVERAGED = {name: table for name, table in HDUS.items() if name != "topology"} | {
    "peers": {"count": 2, "main": [{"kind": "mlp"}]},
    "federation": {"kind": "fedavg"},
}


@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize("raw", [HDUS, AVERAGED], ids=["hdus", "averaged"])
def test_plans_of_classifiers_say_where_they_train_and_only_then(raw: dict[str, Any]) -> None:
    plain, auto = (resolve(Scenario.parse(raw | compute)) for compute in ({}, {"compute": {"device": "auto"}}))
    assert (plain.configs[0].compute.device, auto.configs[0].compute.device) == ("cpu", "cuda")
    assert "compute" not in plain.model_dump_json(), "plans from before there was such a key keep their hash"
    assert plan_of(auto.model_dump_json()).configs == auto.configs
    pinned = resolve(Scenario.parse(raw | {"compute": {"level": "default"}}))
    assert pinned.configs == plain.configs, "nor do configs know what was pinned before"
    assert "cuda" not in repr(auto.configs[0].main), "what a model is does not depend on where it is trained"
    with pytest.raises(ScenarioError, match="is 0, but workers of ray are to compute on CUDA"):
        resolve(Scenario.parse(raw | {"compute": {"device": "cuda"}, "engine": {"kind": "ray"}}))


@pytest.mark.parametrize("raw", [HDUS, AVERAGED], ids=["hdus", "averaged"])
def test_classifiers_begun_where_cuda_was_need_it_to_go_on(raw: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    plan = resolve(Scenario.parse(raw | {"compute": {"device": "auto"}}))
    assert cell_of(plan).lacking(plan, 0) is None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "the run was planned elsewhere, with device" in (cell_of(plan).lacking(plan, plan.rounds) or "")
    with pytest.raises(ScenarioError, match='device = "cuda": torch finds no CUDA device here'):
        resolve(Scenario.parse(raw | {"compute": {"device": "cuda"}}))


def test_a_plan_says_who_judges() -> None:
    assert resolved().configs[0].judge.kind == "svm"
    plan = resolved(judge={"kind": "cnn", "steps": 5})
    assert (plan.configs[1].judge.kind, plan.configs[1].judge.steps) == ("cnn", 5)
    assert plan_of(plan.model_dump_json()).configs == plan.configs
    with pytest.raises(ScenarioError, match=r"judge: .*kind = 'cnm' is unknown: did you mean cnn"):
        resolved(judge={"kind": "cnm"})
