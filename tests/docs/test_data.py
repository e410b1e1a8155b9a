"""The tables that ``docs/data.md`` and the README show can be taken as they stand."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from simulator import Scenario, resolve

ROOT = Path(__file__).resolve().parents[2]
FILES = {"mnist": "mnist", "cifar10.npz": "cifar10-12k.npz", "adult.csv": "adult.csv"}
PAGES = [(ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "docs/data.md")]
TABLES = {block for page in PAGES for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL)}


@pytest.mark.parametrize("text", sorted(TABLES), ids=lambda text: str(tomllib.loads(text)["data"]["dataset"]))
def test_own_data_tables_resolve(text: str, shared_data: Path) -> None:
    table = tomllib.loads(text)["data"]
    table["path"] = str(shared_data / FILES[table["path"]])
    scenario = Scenario.load(ROOT / "experiments" / "scenarios" / "departures.toml")
    tables = scenario.replace(data=table, peers__main=[{"kind": "mlp", "hidden": [8]}], event=[])
    assert len(resolve(tables).configs) == 10
