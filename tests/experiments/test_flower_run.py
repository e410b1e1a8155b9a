"""``flwr run`` made cheap and honest: nothing is installed, nothing is left running, and the exit status is that of the run."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest

from experiments import flower_run
from simulator import Scenario

SCENARIO = Path(__file__).resolve().parents[2] / "experiments" / "scenarios" / "keys" / "sums.toml"


def test_flower_installs_nothing_and_reports_nothing(tmp_path: Path) -> None:
    told = flower_run.environment(tmp_path)
    assert told["FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION"] == "1"
    assert told["FLWR_TELEMETRY_ENABLED"] == "0"
    assert told["FLWR_HOME"] == str(tmp_path)


def test_a_scenario_that_is_none_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert flower_run.main([str(tmp_path / "none.toml")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def superlinks() -> set[int]:
    running = (one for one in psutil.process_iter(["name"]) if str(one.info["name"]).startswith("flower-super"))
    return {one.pid for one in running if one.status() != psutil.STATUS_ZOMBIE}


@pytest.mark.slow
def test_a_scenario_is_played_and_nothing_is_left_running(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = superlinks()
    assert flower_run.play(SCENARIO, tmp_path) == 0
    folder = Path(capsys.readouterr().out.splitlines()[-1])
    assert json.loads((folder / "results.json").read_text())["engine"] == "flower"
    assert superlinks() <= before


@pytest.mark.slow
def test_a_run_that_does_not_meet_its_expectations_exits_with_1(tmp_path: Path) -> None:
    hopeless = tmp_path / "hopeless.toml"
    beyond = {"after": "final", "metric": "accuracy.global.ensemble", "min": 1.0}
    hopeless.write_text(Scenario.load(SCENARIO).replace(expect=[beyond]).to_toml())
    assert flower_run.play(hopeless, tmp_path / "runs") == 1
    assert next(tmp_path.glob("runs/*/report.html")), "it ended, with a report"


@pytest.mark.slow
def test_a_run_that_cannot_begin_exits_with_1(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.write_text("no folder")
    assert flower_run.play(SCENARIO, taken) == 1
