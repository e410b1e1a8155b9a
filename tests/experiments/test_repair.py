"""The scenario of causes and repair: its events are those that it finds, and they are carried out."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from simulator.runner import run
from simulator.runs.verify import verify
from simulator.scenarios.scenario import Scenario

FILE = Path(__file__).resolve().parents[2] / "experiments" / "scenarios" / "repair.toml"


def test_the_events_are_those_that_the_run_without_them_prints(tmp_path: Path) -> None:
    scenario = Scenario.load(FILE)
    found = run(scenario.replace(event=[], audit__counterfactual=False), tmp_path).results["examined"]["causes"]["findings"]
    assert tomllib.loads("\n".join(one["event"] for one in found))["event"] == tomllib.loads(FILE.read_text(encoding="utf-8"))["event"]


def test_what_was_found_is_repaired(tmp_path: Path) -> None:
    done = run(Scenario.load(FILE, ["audit.counterfactual=false"]), tmp_path)
    assert {(row["guarantee"], row["rows"]) for row in done.results["erasures"]} == {("approximate", 5)}
    assert done.unmet == []
    assert verify(done.folder) == []


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["ray", "grpc", "flower"])
def test_it_is_repaired_alike_on_every_engine(engine: str, tmp_path: Path) -> None:
    scenarios = {one: Scenario.load(FILE, ["audit.counterfactual=false", f"engine.kind='{one}'"]) for one in ("inline", engine)}
    digests = {run(scenario, tmp_path / one).digest for one, scenario in scenarios.items()}
    assert len(digests) == 1
