"""A peer that cannot go on ends the run at once, in one line without advice to resume; the run directory stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clients.classification.averaging.peer import AveragedClassifierPeer
from simulator.engines.host import Host
from simulator.errors import LetheError, StoppedError
from simulator.runner import run
from simulator.scenarios.scenario import Scenario
from simulator.storage.reading import reading
from tests.simulator.conftest import Said
from tests.tiny import TINY

DELETE: dict[str, Any] = {"round": 2, "do": "delete", "peer": 1, "rows": {"fraction": 0.2}}
FEDAVG: dict[str, Any] = {
    "name": "refused",
    "rounds": 2,
    "federation": {"kind": "fedavg"},
    "data": TINY["data"] | {"reference": 1},
    "peers": {"count": 2, "main": [{"kind": "linear"}]},
    "training": {"epochs": 1},
    "audit": {"counterfactual": False},
    "event": [DELETE],
}
HDUS: dict[str, Any] = TINY | {"name": "refused", "audit": {"counterfactual": False}, "event": [DELETE]}
FISHER = {"kind": "fisher", "alpha": 1e300}
SCRUB = {"kind": "scrub", "temperature": 1e300}
REFUSED = "round 2: peer 1: fisher: leaves entries of '1.weight' that are not finite: take settings that move weights less"
OVERFLOW = "round 2: peer 1: scrub: a number is too large for its type (Numerical result out of range): take smaller settings"


def with_method(scenario: dict[str, Any], method: dict[str, Any]) -> dict[str, Any]:
    if scenario is FEDAVG:
        return scenario | {"event": [DELETE | {"method": method}]}
    return scenario | {"peers": TINY["peers"] | {"main": [{"kind": "approximate", "base": {"kind": "linear"}, "method": method}]}}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The types of the messages that peers get."""
    seen: list[str] = []
    answer = Host.answer

    def counted(host: Host, message: Any) -> Any:
        seen.append(message.metadata.message_type)
        return answer(host, message)

    monkeypatch.setattr(Host, "answer", counted)
    return seen


def rounds(folder: Path) -> int:
    with reading(folder) as store:
        return store.last_round()


@pytest.mark.parametrize(
    ("scenario", "method", "line", "messages"),
    [
        (FEDAVG, FISHER, REFUSED, 2 + 2 + 1),  # a round, sums that the method begins with, the method
        (HDUS, FISHER, REFUSED, 2 + 2),
        (FEDAVG, SCRUB, OVERFLOW, 2 + 1),
        (HDUS, SCRUB, OVERFLOW, 2 + 2),
    ],
    ids=["fedavg fisher", "hdus fisher", "fedavg scrub", "hdus scrub"],
)
def test_what_a_method_refuses_ends_the_run(
    scenario: dict[str, Any], method: dict[str, Any], line: str, messages: int, tmp_path: Path, told: list[str]
) -> None:
    with pytest.raises(LetheError) as error:
        run(Scenario.parse(with_method(scenario, method)), tmp_path)
    assert str(error.value) == line
    assert not isinstance(error.value, StoppedError)
    assert told.count("train") == messages, "nobody is asked again"
    assert rounds(next(tmp_path.iterdir())) == 1


ADAM: dict[str, Any] = {"optimizer": {"kind": "adam", "lr": 1e300}}
SGD: dict[str, Any] = {"optimizer": {"kind": "sgd", "lr": 1e300}}


@pytest.mark.parametrize(
    ("scenario", "what"),
    [
        (FEDAVG | {"training": ADAM}, "training has diverged, entries of '1.bias' are not finite"),
        (FEDAVG | {"training": SGD}, "training has diverged, a number is too large for its type"),
        (HDUS | {"training": ADAM}, "training has diverged, entries of 'model/1.bias' are not finite"),
        (HDUS | {"distillation": ADAM}, "distillation has diverged, entries of '1.bias' are not finite"),
    ],
    ids=["fedavg", "fedavg sgd", "main", "seed"],
)
def test_training_that_diverges_ends_the_run(scenario: dict[str, Any], what: str, tmp_path: Path, told: list[str]) -> None:
    with pytest.raises(LetheError) as error:
        run(Scenario.parse(scenario), tmp_path)
    assert str(error.value) == f"round 1: peer 0: {what}: lower the learning rate"
    assert told.count("train") == 2, "nobody is asked again"
    assert rounds(next(tmp_path.iterdir())) == 0


@pytest.mark.filterwarnings("error")
def test_a_global_model_that_overflows_ends_the_run_even_in_the_last_round(tmp_path: Path) -> None:
    steps: dict[str, Any] = FEDAVG | {"rounds": 1, "event": [], "federation": {"kind": "fedadam", "eta": 1e40}}
    with pytest.raises(LetheError) as error:
        run(Scenario.parse(steps), tmp_path)
    where = "round 1: the global model has diverged, entries of '1.weight' are not finite"
    assert str(error.value) == f"{where}: lower federation.eta, or the learning rate of peers"
    assert error.value.status == 2
    assert rounds(next(tmp_path.iterdir())) == 0


def test_an_error_that_nobody_foresaw_ends_the_run_at_once(tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(peer: AveragedClassifierPeer) -> int:
        raise RuntimeError("no such kernel\nhint: set THIS for details")

    monkeypatch.setattr(AveragedClassifierPeer, "train", fails)
    with pytest.raises(LetheError) as error:
        run(Scenario.parse(FEDAVG), tmp_path)
    assert str(error.value) == (
        "round 1: peer 0 fails, as it would again: RuntimeError: no such kernel: mend the cause, then resume the run"
    )
    assert (error.value.status, told.count("train")) == (2, 2), "nobody is asked again"


def test_the_command_line_tells_it_in_one_line(lethe: Callable[..., Said], tmp_path: Path) -> None:
    import tomli_w

    file = tmp_path / "s.toml"
    file.write_text(tomli_w.dumps(with_method(FEDAVG, FISHER)))
    said = lethe("run", file, "--out", tmp_path / "runs")
    assert (said.status, said.out) == (2, "")
    assert said.err.splitlines()[-1] == f"lethe: {REFUSED}"
    again = lethe("resume", next((tmp_path / "runs").iterdir()))
    assert (again.status, again.err.splitlines()[-1]) == (2, f"lethe: {REFUSED}")


@pytest.mark.slow
@pytest.mark.parametrize("engine", [{"kind": "ray", "workers": 2}, {"kind": "grpc"}, {"kind": "flower", "workers": 2}], ids=str)
def test_every_engine_tells_it(engine: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(LetheError) as error:
        run(Scenario.parse(with_method(FEDAVG, FISHER) | {"engine": engine}), tmp_path)
    assert (str(error.value), type(error.value)) == (REFUSED, LetheError)
