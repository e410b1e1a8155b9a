"""`lethe verify` notices whatever was changed after the run."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from clients import wire
from simulator.errors import LetheError
from simulator.report.writing import write_report
from simulator.runner import resume
from simulator.runs.run import Run
from simulator.runs.verify import verify


@pytest.fixture
def copy(finished: Run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished.folder, tmp_path / "copy"))


def change(folder: Path, statement: str) -> None:
    with sqlite3.connect(folder / "run.sqlite") as db:
        assert db.execute(statement).rowcount > 0
    db.close()


def test_an_untouched_copy_is_proven(copy: Path) -> None:
    assert verify(copy) == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("update events set detail = 'x' where round = 3", "round 3"),
        ("update metrics set value = value + 1e-9 where round = 2 and peer = 0", "round 2"),
        ("update receipts set sha256 = 'abc' where rowid = 1", "round 3"),
        ("delete from receipts where rowid = 1", "round 3"),
        ("delete from owed where rowid = 1", "round 3"),
        ("update outcomes set gradient_steps = 0 where erasure = 1", "round 3"),
        ("update states set main = seed where rowid = 1", "round 1"),
        ("update timings set value = 0 where round = 1", "round 1"),
        ("update holdings set sha256 = 'abc' where rowid = 1", "round 2"),
        ("update journal set body = replace(body, '\"version\": ', '\"version\":  ')", "journal"),
        ("delete from rounds where round = 5", "rounds, where the plan"),
        ("update audits set body = replace(body, '0.0', '0.1')", "audit"),
        ("update meta set value = 'x' where key = 'plan'", "plan.json"),
        ("insert into metrics values (99, 0, 'x', 1)", "never committed"),
    ],
)
def test_a_changed_ledger_is_noticed(copy: Path, statement: str, said: str) -> None:
    change(copy, statement)
    assert any(said in line for line in verify(copy))


def artefacts(folder: Path) -> list[Path]:
    return sorted((folder / "artefacts").iterdir())


def test_a_changed_artefact_is_noticed(copy: Path) -> None:
    path = artefacts(copy)[0]
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert any("another hash" in line for line in verify(copy))


def test_a_missing_artefact_is_noticed(copy: Path) -> None:
    artefacts(copy)[0].unlink()
    assert any("missing" in line for line in verify(copy))


def test_an_artefact_that_nobody_asked_for_is_noticed(copy: Path) -> None:
    blob = wire.to_bytes({})
    (copy / "artefacts" / f"{wire.sha256(blob)}.safetensors").write_bytes(blob)
    assert any("nothing in the ledger points to it" in line for line in verify(copy))


def test_an_erased_seed_that_came_back_is_named(copy: Path) -> None:
    with sqlite3.connect(copy / "run.sqlite") as db:
        ((seed,),) = db.execute("select distinct sha256 from receipts where erasure = 0").fetchall()
    db.close()
    (copy / "artefacts" / f"{seed}.safetensors").write_bytes(b"")
    assert any("erasure 0 (peer 4)" in line and "still there" in line for line in verify(copy))


def test_changed_results_are_noticed(copy: Path) -> None:
    path = copy / "results.json"
    found = json.loads(path.read_text())
    found["erasures"][0]["seconds"] = 0
    path.write_text(json.dumps(found))
    assert any("results.json" in line for line in verify(copy))


def test_a_changed_plan_is_noticed(copy: Path) -> None:
    path = copy / "plan.json"
    plan = json.loads(path.read_text())
    plan["timeline"]["erasures"] = []
    path.write_text(json.dumps(plan))
    assert any("plan.json" in line for line in verify(copy))


@pytest.mark.parametrize(
    ("statement", "plan", "said"),
    [
        ("delete from meta where key = 'layout'", None, "made by another version of lethe (layout not told, this one reads"),
        ("update meta set value = '0' where key = 'layout'", None, "made by another version of lethe (layout 0, this one reads"),
        ("drop table meta", None, "run.sqlite: is not the ledger of a run (no such table: meta)"),
        (None, '{"scenario": {}}', "plan.json is no plan that this version reads"),
        (None, "{}", "plan.json is no plan that this version reads"),
        (None, "", "plan.json is no plan that this version reads"),
    ],
)
def test_what_another_version_made_is_one_line_whatever_is_asked_of_it(
    statement: str | None, plan: str | None, said: str, copy: Path
) -> None:
    assert Run(copy).results["name"] == "small", "the control: opened as it was"
    if statement is not None:
        with sqlite3.connect(copy / "run.sqlite") as db:
            db.execute(statement)
        db.close()
    if plan is not None:
        (copy / "plan.json").write_text(plan)
    before = {path: path.read_bytes() for path in copy.iterdir() if path.is_file()}
    for ask in (Run, resume, verify, write_report):
        with pytest.raises(LetheError) as error:
            ask(copy)
        assert said in str(error.value)
        assert str(copy) in str(error.value)
        assert len(str(error.value).splitlines()) == 1
    assert {path: path.read_bytes() for path in copy.iterdir() if path.is_file()} == before


def test_an_unfinished_run_is_not_proven(copy: Path) -> None:
    change(copy, "delete from meta where key = 'finished'")
    assert "not finished" in verify(copy)[0]
