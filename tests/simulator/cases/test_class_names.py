"""A class is meant by its name."""

from __future__ import annotations

from typing import Any

import pytest
from case_files import CSV, checked, plan, refusal, rows, write

from clients.data import load


def test_a_class_is_meant_by_its_name_and_named(tmp_path):
    write(tmp_path / "t.csv", [[*row[:2], str(1 + i % 5)] for i, row in enumerate(rows())])
    delete = {"round": 2, "do": "delete", "peer": 0, "rows": {"label": 3}}
    one = plan(tmp_path, CSV, event=[delete])
    data = load(one.configs[0].data)
    assert {data.labels[data.y[row]] for row in one.timeline.erasures[0].rows} == {"3"}
    assert "rows of class 3" in checked(one)
    assert plan(tmp_path, CSV, event=[delete | {"rows": {"label": "3"}}]).timeline.erasures == one.timeline.erasures


@pytest.mark.parametrize("label", [0, 6, -1, "three"])
def test_a_class_that_nobody_called_so_is_refused_with_the_names(tmp_path, label):
    write(tmp_path / "t.csv", [[*row[:2], str(1 + i % 5)] for i, row in enumerate(rows())])
    line = refusal(tmp_path, CSV, event=[{"round": 2, "do": "delete", "peer": 0, "rows": {"label": label}}])
    assert "the classes are 1, 2, 3, 4, 5" in line


def test_class_holders_are_chosen_by_name(tmp_path):
    write(tmp_path / "t.csv", [[*row[:2], "low" if row[2] == "0" else "high"] for row in rows()])

    def leave(label: Any) -> list[dict[str, Any]]:
        return [{"round": 2, "do": "leave", "select": {"by": "class_holder", "label": label, "count": 1}, "erase": True}]

    one = plan(tmp_path, CSV, event=leave("low"))
    data = load(one.configs[0].data)
    holding = [sum(data.labels[data.y[row]] == "low" for row in config.rows) for config in one.configs]
    assert one.timeline.erasures[0].peer == holding.index(max(holding))
    assert "the classes are high, low" in refusal(tmp_path, CSV, event=leave(1))
