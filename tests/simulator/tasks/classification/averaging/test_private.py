"""Private training of peers whose classifiers a server averages: what was spent is counted, kept within a budget, and told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from clients import streams
from clients.averaging.peer import AveragingPeer
from clients.participant import Update
from clients.privacy.accountant import Spent
from simulator.errors import LetheError, ScenarioError
from simulator.report.collect import collect
from simulator.report.render import render
from simulator.runner import prepare, resume, run
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.tasks.contract import cell_of
from simulator.terminal.results import show_results
from tests.simulator.tasks.classification.sums.impatient import Impatient

pytest.importorskip("opacus")

PRIVATE: dict[str, Any] = {"noise": 1.0, "clip": 1.0, "delta": 1e-4}
DELETE: dict[str, Any] = {"round": 3, "do": "delete", "peer": 1, "rows": {"fraction": 0.4}, "method": "finetune"}
LOST: dict[str, Any] = {"round": 2, "do": "crash", "peers": [2], "phase": "before_sending"}
SENT: dict[str, Any] = {"round": 3, "do": "crash", "peers": [0], "phase": "after_sending"}
SMALL: dict[str, Any] = {
    "name": "private",
    "seed": 3,
    "rounds": 4,
    "federation": {"kind": "fedavg"},
    "data": {
        "dataset": "digits",
        "rows": 260,
        "reference": 1,
        "test": 60,
        "partition": {"kind": "dirichlet", "alpha": 0.5, "min_rows": 20},
    },
    "peers": {"count": 3, "main": [{"kind": "mlp", "hidden": [8]}]},
    "training": {"epochs": 1, "batch_size": 8, "optimizer": {"kind": "sgd", "lr": 0.5}, "private": PRIVATE},
    "audit": {"counterfactual": False},
    "event": [DELETE, LOST, SENT],
}


def scenario(private: dict[str, Any] | None = None, **changes: Any) -> Scenario:
    training = SMALL["training"] | {"private": PRIVATE | (private or {})}
    return Scenario.parse(SMALL | {"training": training} | changes)


def told(one: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = one.results["privacy"]["peers"]
    return found


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(scenario(), tmp_path_factory.mktemp("private"))


def test_each_peer_is_told_what_its_updates_have_spent(done: Run) -> None:
    plan = done.plan
    rows = [len(config.rows) for config in plan.configs]
    left = rows[1] - len(plan.timeline.erasures[0].rows)
    rounds = [[rows[0]] * 4, [rows[1]] * 2 + [left] * 2, [rows[2]] * 3]
    for one, trained in zip(told(done), rounds, strict=True):
        spent = Spent()
        for count in trained:
            spent = spent.after(min(1.0, 8 / count), -(-count // 8))
        assert one == {"peer": one["peer"], "epsilon": spent.epsilon(1.0, 1e-4), "rounds": len(trained), "over_budget": 0}
    assert done.results["privacy"] | {"peers": []} == PRIVATE | {"budget": None, "peers": []}
    assert verify(done.folder) == []


def test_noise_costs_accuracy_and_lowers_epsilon(done: Run, tmp_path: Path) -> None:
    louder = run(scenario({"noise": 30.0}), tmp_path)
    assert louder.accuracy["global"]["model"] < done.accuracy["global"]["model"]
    assert all(one["epsilon"] < other["epsilon"] / 10 for one, other in zip(told(louder), told(done), strict=True))


def test_a_peer_stops_before_its_budget_is_exceeded_and_says_so(done: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    budget = max(one["epsilon"] for one in told(done)) * 0.9
    limited = run(scenario({"epsilon": budget}), tmp_path)
    assert all(one["epsilon"] <= budget for one in told(limited))
    stopped = [one["peer"] for one in told(limited) if one["over_budget"]]
    assert 0 < len(stopped) < 3
    assert limited.digest != done.digest
    assert verify(limited.folder) == []
    show_results(limited, Console(width=120, color_system=None))
    shown = capsys.readouterr().out
    assert f"rounds over the budget of {budget:g}" in shown
    assert all(f"{one['epsilon']:.3g}" in shown for one in told(limited))
    page = render(collect(limited.folder))
    assert "sat rounds out: one more would have gone beyond the budget" in page
    assert "epsilon of a row" in page
    cost = dict(cell_of(limited.plan).costs(limited.plan))["privacy of a row"]
    assert cost.endswith(f"{len(stopped)} of 3 peers stop at their budget of {budget:g}")


def test_a_budget_that_one_round_exceeds_trains_nobody(tmp_path: Path) -> None:
    one = run(scenario({"epsilon": 0.01}, rounds=1, event=[]), tmp_path)
    assert [(peer["epsilon"], peer["rounds"], peer["over_budget"]) for peer in told(one)] == [(0.0, 0, 1)] * 3
    assert verify(one.folder) == []


def test_peers_over_their_budget_that_send_the_same_nothing_leave_no_trace(tmp_path: Path) -> None:
    data = SMALL["data"] | {"partition": {"kind": "iid"}}
    delete = DELETE | {"rows": {"fraction": 0.1}}
    one = run(scenario({"epsilon": 3.5}, data=data, rounds=3, event=[delete]), tmp_path)
    assert {peer["over_budget"] for peer in told(one)} == {2}, "the control: all sit out the round before the request, too"
    assert verify(one.folder) == []


def test_weights_from_before_a_request_are_a_trace_even_if_another_peer_sends_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, first = AveragingPeer.distil, list[bytes]()

    def copying(self: AveragingPeer) -> int:
        steps = real(self)
        assert self.update is not None
        if self.config.peer == 1:
            first.append(self.update.blob)
        elif self.config.peer == 2:
            self.update = Update(self.update.version, first[0])
        return steps

    monkeypatch.setattr(AveragingPeer, "distil", copying)
    one = run(scenario(event=[DELETE]), tmp_path)
    assert [line for line in verify(one.folder) if line.endswith("is still there")]


def test_a_peer_that_forgets_what_it_spent_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Spent, "read", classmethod(lambda cls, array: cls()))
    one = run(scenario(rounds=2, event=[]), tmp_path)
    monkeypatch.undo()
    assert [line for line in verify(one.folder) if "says that its rows have spent epsilon" in line]


def test_an_interrupted_run_goes_on_with_what_was_spent(done: Run, tmp_path: Path) -> None:
    folder = prepare(scenario(), tmp_path)
    with pytest.raises(KeyboardInterrupt):
        resume(folder, Impatient(2))
    assert resume(folder).digest == done.digest


@pytest.mark.slow
@pytest.mark.parametrize(
    "engine", [{"kind": "ray", "workers": 2}, {"kind": "grpc"}, {"kind": "flower", "workers": 2}], ids=lambda one: one["kind"]
)
def test_every_engine_draws_the_same_noise(done: Run, tmp_path: Path, engine: dict[str, Any]) -> None:
    assert run(scenario(engine=engine), tmp_path).digest == done.digest


@pytest.mark.parametrize(
    "federation", [{"kind": "fedprox", "mu": 0.1, "cohort": 2}, {"kind": "fedadam", "cohort": 2}], ids=lambda one: one["kind"]
)
def test_other_servers_average_private_updates_too(federation: dict[str, Any], tmp_path: Path) -> None:
    one = run(scenario(federation=federation, rounds=2, event=[]), tmp_path)
    assert sum(peer["rounds"] for peer in told(one)) == 4
    assert verify(one.folder) == []


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"event": [{**DELETE, "method": "retrain"}]}, "round 3: retrain trains again with noise that has been sent before"),
        ({"event": [{k: v for k, v in DELETE.items() if k != "method"}]}, "round 3: retrain trains again with noise that has been sent"),
        ({"event": [{**DELETE, "method": "scrub"}]}, "round 3: scrub sends what no noise hides: write method = 'finetune'"),
        (
            {
                "event": [
                    {"round": 2, "do": "leave", "peers": [1], "erase": True, "method": "finetune"},
                    {"round": 3, "do": "rejoin", "peers": [1]},
                ]
            },
            "round 3: peer 1 returns after its erasure",
        ),
        ({"private": {"noise": 0.0001}}, "training.private.noise: is 0.0001: write a number of at least 0.001"),
        ({"private": {"delta": 0.02}}, "training.private.delta: is 0.02, which allows to publish one of a peer's "),
        ({"private": {"delta": 1}}, "training.private.delta: is 1: write a number below 1"),
        ({"private": {"epsilon": -1.0}}, "training.private.epsilon: is -1.0: write a number above 0"),
        ({"private": {"epsilom": 1.0}}, "training.private.epsilom: is not a key here"),
    ],
)
def test_what_private_training_excludes_is_refused_in_one_line(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(ScenarioError) as error:
        resolve(scenario(**changes))
    (only,) = str(error.value).splitlines()
    assert line in only


def test_other_federations_do_not_train_privately() -> None:
    hdus = {name: value for name, value in SMALL.items() if name not in ("federation", "event")}
    with pytest.raises(ScenarioError, match=r"training: private is for servers that average classifiers: .* take federation.kind"):
        Scenario.parse(hdus)


def test_without_the_accountant_it_is_refused_and_a_run_is_not_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = prepare(scenario(), tmp_path)
    monkeypatch.setitem(sys.modules, "opacus", None)
    needs = r"training.private: needs the package opacus, which tells epsilon: pip install 'lethe-federated\[private\]'"
    with pytest.raises(ScenarioError, match=needs):
        resolve(scenario())
    with pytest.raises(LetheError, match=needs):
        resume(folder)
    assert resolve(Scenario.parse(SMALL | {"training": {"epochs": 1}})), "the control: without private training nobody needs it"


def test_noise_is_not_that_of_another_peer_or_round(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keys: list[tuple[Any, ...]] = []
    real = streams.generator
    monkeypatch.setattr(streams, "generator", lambda *key: keys.append(key) or real(*key))
    run(scenario(rounds=2, event=[]), tmp_path)
    drawn = [key for key in keys if "noise" in key]
    assert len(drawn) == len(set(drawn)) > 0
    assert {key[1] for key in drawn} == {0, 1, 2}
