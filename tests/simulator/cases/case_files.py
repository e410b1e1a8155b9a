"""Small scenarios over files that a test writes, and what becomes of them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from simulator.errors import ScenarioError
from simulator.scenarios.plan import Plan
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.terminal.check import describe

RECSYS = [{"kind": "receraser", "shards": 1, "partition": "keyed", "base": {"kind": "wmf"}, "dim": 4, "epochs": 1, "aggregate": "mean"}]


def scenario(folder: Path, data: dict[str, Any], **changes: Any) -> Scenario:
    """Return a small scenario whose relative paths start at a folder."""
    return Scenario.parse(
        {
            "name": "case",
            "rounds": 2,
            "data": {"reference": 10, "test": 10, "partition": {"kind": "iid"}} | data,
            "peers": {"count": 3, "main": changes.pop("main", [{"kind": "linear"}]), "seed": {"kind": "linear"}},
            "topology": {"kind": "ring"},
        }
        | changes,
        folder=folder,
    )


def plan(folder: Path, data: dict[str, Any], **changes: Any) -> Plan:
    return resolve(scenario(folder, data, **changes))


def checked(one: Plan) -> str:
    """Return what ``lethe check`` prints."""
    console = Console(width=300, record=True, file=io.StringIO())
    console.print(describe(one))
    return console.export_text()


def refusal(folder: Path, data: dict[str, Any], **changes: Any) -> str:
    with pytest.raises(ScenarioError) as error:
        plan(folder, data, **changes)
    assert len(error.value.lines) == 1, error.value.lines
    line = error.value.lines[0]
    assert "\n" not in line
    assert len(line) < 600
    return line


def rows(count: int = 60) -> list[list[str]]:
    draw = np.random.default_rng(0)
    a, b = draw.normal(size=count).round(3), draw.normal(size=count).round(3)
    return [[str(x), str(y), str(int(x > 0))] for x, y in zip(a, b, strict=True)]


def write(path: Path, table: list[list[str]], header: str | None = "a,b,label", separator: str = ",") -> None:
    lines = ([header] if header is not None else []) + [separator.join(row) for row in table]
    path.write_text("\n".join(lines) + "\n")


CSV = {"dataset": "csv", "path": "t.csv"}
