"""The table of systems: every one that the project covers, with a ready scenario that has it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator.terminal.methods import as_json
from simulator.terminal.systems import SYSTEMS, System

ROOT = Path(__file__).resolve().parents[3]
NAMES = (
    *("SISA", "DaRE", "HedgeCut", "GraphEraser", "RecEraser", "statistical queries"),
    *("influence", "certified removal", "spiking", "statistics", "jackknife", "L-CODEC", "L-FOCI", "PUMA", "repair", "features and labels"),
    *("guardrails", "in-context", "HDUS", "ConceptPrune", "revival", "Gaussian", "RUM"),
)
WRITTEN = {"drop_seed": "leave"}
"""What scenarios write of a component that they do not name."""


def words(content: Any) -> Iterator[str]:
    """Yield every text in a scenario's content, however deep."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict | list):
        for value in content.values() if isinstance(content, dict) else content:
            yield from words(value)


def shown(one: System, scenario: str) -> bool:
    content = tomllib.loads((ROOT / scenario).read_text(encoding="utf-8"))
    return WRITTEN.get(one.kind, one.kind) in set(words(content))


def test_all_twenty_three_systems_are_told_whole() -> None:
    told = as_json()["systems"]
    assert len(told) == len(NAMES) == 23
    for name, line in zip(NAMES, told, strict=True):
        assert isinstance(line, dict)
        assert name in line["system"]
        assert all(line.values()), line
        assert "nowhere" not in line["where"]
    places = {line["component"]: line["where"] for line in told if isinstance(line, dict)}
    assert places["unlearner certified_removal"] == places["unlearner ridge"] == "classification/hdus, classification/sums"
    assert places["unlearner features_labels"] == "classification/hdus"


@pytest.mark.parametrize("one", SYSTEMS, ids=lambda one: one.name)
def test_the_scenario_of_a_system_exists_and_has_it(one: System) -> None:
    (scenario,) = {line["scenario"] for line in as_json()["systems"] if isinstance(line, dict) and line["system"] == one.name}
    assert shown(one, scenario)


def test_the_control_a_scenario_without_the_system_is_noticed() -> None:
    (spiking,) = (one for one in SYSTEMS if one.kind == "spiking")
    assert not shown(spiking, "experiments/scenarios/departures.toml")
