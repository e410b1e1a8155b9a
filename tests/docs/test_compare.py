"""What ``docs/compare.md`` shows works as it stands: its scenario is played by its Python."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from simulator.runs.comparisons.rows import names, references

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "compare.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_example_is_played_as_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (scenario,), (code,) = blocks("toml"), blocks("python")
    (tmp_path / "compare.toml").write_text(scenario, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    page: dict[str, Any] = {}
    exec(compile(code, "docs/compare.md", "exec"), page)
    rows, plan = page["rows"], page["done"].plan
    (one,) = plan.comparisons
    assert list(rows) == list(names(one))
    assert [rows[method.tag]["verdict"] for method in one.methods] == ["proven", "proven", "measured"]
    assert rows["rollback"]["parameters"] == 0.0
    assert rows["rollback"]["client_epochs"] < rows["retrain"]["client_epochs"]
    told = set(re.findall(r"`(\w[\w ]*)`", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)))
    assert {*references(one), *rows["finetune"].keys() - {"row", "guarantee", "notes", "verdict"}} <= told
