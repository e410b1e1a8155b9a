"""The scenario of a backdoor: whoever planted it is found, and erased; the attack rate is then that of a run without the peer."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from simulator.errors import ScenarioError
from simulator.runner import run
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.scenario import Scenario

FILE = Path(__file__).resolve().parents[2] / "experiments" / "scenarios" / "poison.toml"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(Scenario.load(FILE), tmp_path_factory.mktemp("poison"))


@pytest.mark.slow
def test_the_peer_is_named_by_the_run_without_events(tmp_path: Path) -> None:
    (found,) = run(Scenario.load(FILE).replace(event=[], audit__counterfactual=False), tmp_path).results["examined"]["causes"]["findings"]
    asked, named = tomllib.loads(FILE.read_text(encoding="utf-8"))["event"][0], tomllib.loads(found["event"])["event"][0]
    assert named.items() <= asked.items()
    assert named["peers"] == [3]


def test_erased_it_attacks_no_more_than_if_it_had_never_been(finished: Run) -> None:
    (row,) = finished.results["erasures"]
    assert row["attack_rate"] == row["attack_rate_counterfactual"]
    assert row["attack_rate_low_nothing"] > row["attack_rate_high"], "the control: whoever does nothing keeps the backdoor"
    assert row["attack_rate_rows"] > 300
    assert verify(finished.folder) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"peers__backdoor": {"peers": [4]}}, "backdoor names peer 4: peers are 0 to 3"),
        ({"peers__backdoor": {"peers": [3], "target": 10}}, "target = 10 is no class: take one below 10"),
        ({"peers__backdoor": {"peers": [3], "size": 64}}, "size = 64 leaves nothing of a row of 64 inputs"),
        ({"audit__attack_rate": {"target": 10}}, "target = 10 is no class: take one below 10"),
        ({"audit__attack_rate": {"target": 1}}, "audit.attack_rate: target = 1, but peers.backdoor has target = 0: leave the key out here"),
        ({"peers__backdoor": {"peers": [3], "size": 6}}, "size = 8, but peers.backdoor has size = 6"),
    ],
)
def test_what_cannot_be_planted_is_answered(changes: dict[str, object], words: str) -> None:
    from simulator.scenarios.resolution import resolve

    with pytest.raises(ScenarioError, match=words):
        resolve(Scenario.load(FILE).replace(**changes))


@pytest.mark.parametrize("asked", [True, {"size": 8}])
def test_the_audit_takes_over_what_is_planted(asked: object) -> None:
    from simulator.scenarios.resolution import resolve

    told = resolve(Scenario.load(FILE).replace(audit__attack_rate=None).replace(audit__attack_rate=asked))
    assert told.digest == resolve(Scenario.load(FILE)).digest
    assert told.audit.asked["attack_rate"].model_dump() == {"target": 0, "size": 8, "value": 1.0}


def test_whoever_plants_nothing_has_the_plan_that_it_had() -> None:
    from simulator.scenarios.resolution import resolve

    plan = resolve(Scenario.load(FILE).replace(peers__backdoor=None, audit__attack_rate=None))
    assert "backdoor" not in plan.model_dump_json()
