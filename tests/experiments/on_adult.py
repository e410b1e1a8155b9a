"""The scenarios on the census table, whole or with a part of its rows."""

from __future__ import annotations

from pathlib import Path

from simulator.scenarios.scenario import Scenario

SCENARIOS = Path(__file__).resolve().parents[2] / "experiments" / "scenarios"
PART = ["data.rows=3161", "data.reference=161", "data.test=600"]
"""2,400 rows dealt, 240 a peer."""


def on_adult(name: str, shared_data: Path, *overrides: str) -> Scenario:
    return Scenario.load(SCENARIOS / f"{name}.toml", [f"data.path='{shared_data / 'adult.csv'}'", *overrides])
