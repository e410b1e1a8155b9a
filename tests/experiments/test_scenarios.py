"""The ready scenarios show every key that a scenario can have, and can be played as they stand."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from clients.unlearning import UNLEARNERS
from simulator import Scenario, resolve, run
from simulator.tasks.schema import schema

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "experiments" / "scenarios"
FILES = sorted(FOLDER.rglob("*.toml"))


def keys(content: Any) -> Iterator[str]:
    """Yield every key in a content, however deep."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield key
            yield from keys(value)
    elif isinstance(content, list):
        for value in content:
            yield from keys(value)


@cache
def known() -> set[str]:
    """Return every key that the schema knows, but those of unlearners that are no main model, which no scenario can use."""
    idle = {spec.__name__ for spec in UNLEARNERS.specs() if not spec.classifier and spec.__name__ != "Pca"}
    return {key for name, table in schema()["$defs"].items() if name not in idle for key in table.get("properties", {})}


def contents() -> list[dict[str, Any]]:
    return [tomllib.loads(path.read_text(encoding="utf-8")) for path in FILES]


def test_every_key_is_in_a_ready_scenario() -> None:
    shown = {key for content in contents() for key in keys(content)}
    assert known() - shown == set()
    assert "experiments/scenarios/keys" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_control_a_key_that_is_in_none_is_missed() -> None:
    without = {key for content in contents() if "churn" not in content for key in keys(content)}
    assert {"p_off", "period"} <= known() - without


def test_every_event_is_in_a_ready_scenario() -> None:
    events = {event["do"] for content in contents() for event in content.get("event", [])}
    assert events == {
        *("arrive", "attack", "correct"),
        *("crash", "cut", "defend", "delete", "erase", "join", "leave", "link", "offline", "refuse", "rejoin", "straggle"),
        *("guard", "unguard"),
    }


@pytest.mark.parametrize("path", sorted((FOLDER / "keys").glob("*.toml")), ids=lambda path: path.stem)
def test_scenarios_of_keys_can_be_played(path: Path) -> None:
    scenario = Scenario.load(path)
    assert len(resolve(scenario).configs) == scenario.peers.count


def test_phones_come_and_go_as_promised() -> None:
    plan = resolve(Scenario.load(FOLDER / "mobile_edge.toml"))
    told = [one for now in plan.timeline.rounds for one in now.happenings]
    arrived, left = (sum(len(one.peers) for one in told if one.do in what) for what in (("join", "rejoin"), ("leave",)))
    assert (len(plan.configs), min(arrived, left) >= 30) == (50, True)
    assert {one.kind for one in plan.timeline.erasures} == {"peer"}
    assert 30 <= len(plan.timeline.erasures) < left, "most ask to be forgotten, not all"


@pytest.mark.slow
def test_every_phone_that_asks_is_forgotten(tmp_path: Path) -> None:
    found = run(Scenario.load(FOLDER / "mobile_edge.toml"), tmp_path).results
    assert found["verdict"]["name"] == "proven"
    assert {one["max_abs_difference"] for one in found["erasures"]} == {0.0}
    assert all(row["simulated_seconds"] > 0 for row in found["timeline"])
