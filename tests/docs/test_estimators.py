"""What ``docs/estimators.md`` shows works as it stands, on the real table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clients.unlearning import UNLEARNERS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "estimators.md").read_text(encoding="utf-8")


def test_the_page_works(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shared_data)
    page: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "docs/estimators.md", "exec"), page)


def test_the_table_names_who_can_learn_more() -> None:
    rows = [line.split("|")[1:5] for line in PAGE.splitlines() if re.match(r'\| (`"|`{)', line)]
    told = {kind for method, _, _, add in rows if add.strip() == "yes" for kind in _kinds(method)}
    assert told == {kind for kind, spec in UNLEARNERS.working().items() if spec.adds and spec.classifier}


def _kinds(method: str) -> list[str]:
    """Return the kinds in a cell of the table: quoted names, or the kind of a table of settings."""
    return re.findall(r'`\{"kind": "(\w+)"', method) or re.findall(r'"(\w+)"', method)
