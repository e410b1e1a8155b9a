"""What ``docs/sweeps.md`` shows works as it stands: its command and its Python are checked, and what they play is made small."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from simulator import Scenario, resolve
from simulator.cli import app
from simulator.sweeps.variants import seeds_of, variants, varied

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8")


def test_the_command_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []

    def noted(*given: Any, **named: Any) -> None:
        asked.append((*given, named))
        raise KeyboardInterrupt

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("simulator.sweeps.sweep.sweep", noted)
    (command,) = re.findall(r"^lethe (sweep .*)$", PAGE, re.MULTILINE)
    assert CliRunner().invoke(app, shlex.split(command)).exit_code == 130
    ((file, seeds, vary, out, named),) = asked
    assert (seeds, vary, str(out)) == (range(5), {"data.partition.alpha": [0.1, 0.3, 1]}, "sweeps")
    assert named == {"settings": ["audit.relearn=false"], "jobs": 2}
    plans = {resolve(Scenario.load(file, [*named["settings"], *one.overrides])).digest for one in variants(vary, len(seeds))}
    assert len(plans) == 3


def test_every_option_stands_in_the_table() -> None:
    told = re.findall(r"^\| `(.*?)` \|", PAGE, re.MULTILINE)
    (command,) = [one for one in app.registered_commands if one.callback and one.callback.__name__ == "sweep"]
    assert command.callback
    alike = {name: f"--{name}" for name in ("seeds", "vary", "out", "json", "junit")}
    options = alike | {"settings": "--set", "jobs": "-j"}
    assert set(command.callback.__annotations__) - {"file", "return"} == set(options)
    assert [option for option in options.values() if option not in " ".join(told)] == []


def test_the_python_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With another scenario in the place of the one that takes a minute a run."""
    small = Scenario.load(ROOT / "experiments" / "scenarios" / "departures.toml").replace(
        rounds=1, event=[], data__rows=150, data__reference=20, data__test=20, data__partition={"kind": "iid"},
        peers={"count": 6, "main": [{"kind": "linear"}], "seed": {"kind": "linear"}}, training__epochs=1, distillation__epochs=1,
    )  # fmt: skip
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Scenario, "load", lambda path: small)
    page: dict[str, Any] = {}
    exec(compile(block.replace("range(5)", "range(1)").replace(', "bridge", "rewire"', ', "bridge"'), "docs/sweeps.md", "exec"), page)
    assert page["done"].table["topology.on_leave"].unique().tolist() == ["none", "bridge"]
    assert list(page["done"].values["seed"]) == [0, 0]


def test_seeds_and_values_are_written_as_the_page_says() -> None:
    assert "the seeds 0 to 4" in PAGE
    assert list(seeds_of("0:5")) == [0, 1, 2, 3, 4]
    assert list(varied(["key.path=[1, 2]"])) == ["key.path"]
