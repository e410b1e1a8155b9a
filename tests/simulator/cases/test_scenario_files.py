"""Scenario files, what check warns of, and the command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from case_files import CSV, checked, plan, rows, scenario, write

from clients.data import load
from simulator.errors import ScenarioError
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario

TOML = """\
name = "x"
rounds = 2
[data]
dataset = "digits"
reference = 9
test = 9
partition = { kind = "iid" }
[peers]
count = 3
main = [{ kind = "linear" }]
seed = { kind = "linear" }
[topology]
kind = "ring"
"""


def test_a_scenario_with_a_byte_order_mark_is_read(tmp_path):
    (tmp_path / "s.toml").write_text(TOML, encoding="utf-8-sig")
    (tmp_path / "t.toml").write_text(TOML)
    assert Scenario.load(tmp_path / "s.toml") == Scenario.load(tmp_path / "t.toml")
    assert Scenario.parse("\ufeff" + TOML) == Scenario.parse(TOML)


@pytest.mark.parametrize("path", [r"C:\Users\me\t.csv", r"C:\data\t.csv", r"C:\temp\t.csv", r"\\server\new"])
def test_paths_of_windows_get_a_hint_at_quoting(tmp_path, path):
    text = TOML.replace('dataset = "digits"', f'dataset = "csv"\npath = "{path}"')
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(ScenarioError, match="single quotes"):
        resolve(Scenario.load(tmp_path / "s.toml"))


def test_check_warns_where_a_deleted_row_alone_decides(tmp_path):
    table = [[*row[:2], "gb"[i % 2], row[2]] for i, row in enumerate(rows())]
    table.append(["1e9", "0", "secret", "2"])
    write(tmp_path / "t.csv", table, "a,b,colour,label")

    data = CSV | {"labels": ["0", "1", "2"]}

    def warned(row: int) -> str:
        one = plan(tmp_path, data, seed=2)
        holder = next(config.peer for config in one.configs if row in config.rows)
        delete = {"round": 2, "do": "delete", "peer": holder, "rows": {"ids": [row]}}
        return " ".join(checked(plan(tmp_path, data, seed=2, event=[delete])).split())

    for words in ("the highest value of column a", "the category secret of column colour", "the class 2"):
        assert words in warned(60)
    dealt = [row for config in plan(tmp_path, data, seed=2).configs for row in config.rows]
    x = load(scenario(tmp_path, CSV).data.source()).x
    inner = next(row for row in dealt if row != 60 and 0 < x[row, 1] < 1 and x[row, 0] > 0)
    assert "warning" not in warned(inner), "a row like others decides nothing"


def lethe(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "simulator.cli", *words], cwd=cwd, capture_output=True, text=True, check=False)


def test_bad_files_exit_2_and_write_nothing(tmp_path):
    table = rows()
    table[7][1] = ""
    write(tmp_path / "t.csv", table)
    (tmp_path / "s.toml").write_text(scenario(tmp_path, CSV).to_toml())
    done = lethe("run", "s.toml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "t.csv: line 9: column b" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.toml", "t.csv"]
