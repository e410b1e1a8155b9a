"""Whatever is changed in a run directory after the run, `lethe verify` notices and names the place."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from simulator.errors import LetheError
from simulator.runs.run import Run
from simulator.runs.verify import examine, verify
from simulator.storage import tables

TABLES = [name for kind, name in tables.own() if kind == "table"]
VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.binary(max_size=6),
)


@pytest.fixture
def copy(finished: Run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished.folder, tmp_path / "copy"))


@pytest.fixture(scope="module")
def bench(finished: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy whose ledger every trial puts back."""
    return Path(shutil.copytree(finished.folder, tmp_path_factory.mktemp("tampering") / "copy"))


def found(folder: Path) -> list[str]:
    """Return what verification says, also where it cannot begin."""
    try:
        return verify(folder)
    except LetheError as error:
        return [str(error)]


def content(db: sqlite3.Connection, table: str) -> list[tuple[Any, ...]]:
    types = ", ".join(f"typeof({name}), {name}" for name in tables.columns(db, table))
    return db.execute(f"select {types} from {table} order by rowid").fetchall()


def tampered(folder: Path, table: str, row: int, act: str, column: int, value: Any) -> bool:
    """Change one row of a table; return whether anything is different now."""
    with closing(sqlite3.connect(folder / "run.sqlite", isolation_level=None)) as db:
        before = content(db, table)
        if not before:
            return False
        ((rowid,),) = db.execute(f"select rowid from {table} order by rowid limit 1 offset ?", (row % len(before),)).fetchall()
        names = tables.columns(db, table)
        try:
            if act == "delete":
                db.execute(f"delete from {table} where rowid = ?", (rowid,))
            elif act == "duplicate":
                db.execute(f"insert into {table} select * from {table} where rowid = ?", (rowid,))
            else:
                db.execute(f"update {table} set {names[column % len(names)]} = ? where rowid = ?", (value, rowid))
        except sqlite3.IntegrityError:
            return False  # the table itself refuses it
        return content(db, table) != before


def noticed(bench: Path, table: str, *change: Any) -> None:
    ledger = bench / "run.sqlite"
    whole = ledger.read_bytes()
    try:
        assume(tampered(bench, table, *change))
        lines = found(bench)
        assert lines, (table, *change)
        assert all(len(line.splitlines()) == 1 for line in lines)
        if table == "meta":  # some of its rows decide whether the rest can be looked at
            places = ("table meta", "plan.json", "not finished", "another version")
            assert any(place in line for line in lines for place in places), lines
        else:
            assert any(f"run.sqlite: table {table} is not" in line for line in lines), lines
    finally:
        ledger.write_bytes(whole)


EDITS = {
    "table": st.sampled_from(TABLES),
    "row": st.integers(0, 10_000),
    "act": st.sampled_from(("change", "change", "change", "delete", "duplicate")),
    "column": st.integers(0, 9),
    "value": VALUES,
}


@given(**EDITS)
@settings(suppress_health_check=[HealthCheck.filter_too_much])
def test_any_change_of_one_row_is_noticed(bench: Path, table: str, row: int, act: str, column: int, value: Any) -> None:
    noticed(bench, table, row, act, column, value)


@pytest.mark.slow
@given(**EDITS)
@settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_any_of_many_changes_of_one_row_is_noticed(bench: Path, table: str, row: int, act: str, column: int, value: Any) -> None:
    noticed(bench, table, row, act, column, value)


@pytest.mark.parametrize("table", TABLES)
def test_the_last_row_of_each_table_cannot_go(bench: Path, table: str) -> None:
    """What has no successor in the chain is the easiest to take away."""
    ledger = bench / "run.sqlite"
    whole = ledger.read_bytes()
    try:
        if tampered(bench, table, -1, "delete", 0, None):
            assert found(bench)
        else:
            assert table in ("models", "findings", "history", "incidents"), "nothing to delete, so nothing was tried"
    finally:
        ledger.write_bytes(whole)
    assert verify(bench) == [], "the control: put back, it holds"


def change(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "run.sqlite", isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("create table notes (text)", "table notes is none of a run's ledger"),
        ("create view shown as select * from metrics", "view shown is none of a run's ledger"),
        ("create trigger t after insert on metrics begin delete from receipts; end", "trigger t is none of a run's ledger"),
        ("create index i on metrics (value)", "index i is none of a run's ledger"),
        ("drop table findings", "table findings is missing"),
        ("drop table outcomes", "table outcomes is missing"),
        ("drop table audits", "table audits is missing"),
        ("alter table metrics add column note", "table metrics is made otherwise"),
        ("insert into holdings values (0, 1, 1, 'x', 99, null)", "holdings of rounds that were never committed: [99]"),
        ("insert into history values ('m', 0, 1, 'x', 1, 98, 99)", "history of rounds that were never committed: [98]"),
        ("insert into outcomes (round, erasure) values (99, 0)", "outcomes of rounds that were never committed: [99]"),
        ("insert into models values (null, 'm', 'x')", "models of rounds that were never committed: [None]"),
        ("delete from audits where name like 'never%'", "audits speak of the run in which it never was, but its hashes are missing"),
        ("delete from audits where name = 'relearn/1'", "audit relearn has no row, though the run is finished"),
        ("delete from audits", "audit counterfactual has no row, though the run is finished"),
        ("update meta set value = '{}' where key = 'versions'", "table meta is not as it was when the run was finished"),
        ("update meta set value = 'x' where key = 'data'", "table meta is not as it was when the run was finished"),
        ("update meta set value = 'yes' where key = 'finished'", "does not hold the hashes of the tables"),
        ("delete from journal", "the journal is not the one that was committed last"),
    ],
)
def test_what_does_not_belong_into_a_ledger_is_named(copy: Path, statement: str, said: str) -> None:
    change(copy, statement)
    assert any(said in line for line in verify(copy)), verify(copy)


def test_audits_stand_in_the_chain_in_their_order(copy: Path) -> None:
    change(copy, "update audits set rowid = -rowid")
    assert any("audit relearn/1 is not the one that was written down, or not in its place" in line for line in verify(copy))


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (["delete from audits where name like 'never%'"], "its hashes are missing"),
        (["delete from owed where erasure = 0", "delete from receipts where erasure = 0"], "held a seed that it had to drop"),
        (["delete from outcomes where erasure = 0"], "nothing says how it was carried out"),
        (["delete from audits where name = 'membership_inference/0'"], "audit membership_inference has no row"),
        (["update receipts set sha256 = 'abc' where rowid = 1"], "that it did not hold"),
    ],
)
def test_what_the_plan_asks_for_must_be_there_even_if_all_hashes_fit(
    copy: Path, forge: Callable[[Path], None], statements: list[str], said: str
) -> None:
    forge(copy)
    assert verify(copy) == [], "the control: new hashes of the same rows hold"
    change(copy, *statements)
    forge(copy)
    assert any(said in line for line in verify(copy)), verify(copy)


@pytest.mark.parametrize("verdict", ["measured", "disproved"])
def test_verdicts_must_be_those_of_the_evidence_even_if_all_hashes_fit(copy: Path, forge: Callable[[Path], None], verdict: str) -> None:
    change(copy, f"update meta set value = replace(value, '\"proven\"', '\"{verdict}\"') where key = 'claims'")
    forge(copy)
    assert any("its verdicts on the claims are not those that the evidence gives" in line for line in verify(copy)), verify(copy)


# files -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["scenario.toml", "plan.json", "results.json", "run.sqlite", "artefacts"])
def test_a_link_in_the_place_of_what_the_run_wrote_is_refused(copy: Path, tmp_path: Path, name: str) -> None:
    (copy / name).rename(tmp_path / "elsewhere")
    (copy / name).symlink_to(tmp_path / "elsewhere")
    assert any(line.startswith(f"{name}: is a link") for line in verify(copy))


def test_a_link_in_the_place_of_an_artefact_is_refused(copy: Path, tmp_path: Path) -> None:
    one = sorted((copy / "artefacts").iterdir())[0]
    one.rename(tmp_path / one.name)
    one.symlink_to(tmp_path / one.name)
    assert verify(copy) == [f"artefacts/{one.name}: is a link, where the run wrote a file"]


@pytest.mark.parametrize("name", ["{hash}", "{hash}.safetensors.bak", "notes.txt", "{hash}.unfinished", ".hidden"])
def test_a_stray_file_beside_the_artefacts_is_refused(copy: Path, name: str) -> None:
    """Also one that is called as an artefact is, but for the ending."""
    stem = sorted((copy / "artefacts").iterdir())[0].name.removesuffix(".safetensors")
    stray = copy / "artefacts" / name.format(hash=stem)
    stray.write_bytes(b"what was erased")
    assert verify(copy) == [f"artefacts/{stray.name}: nothing in the ledger points to it"]


def test_a_folder_or_a_pipe_among_the_artefacts_is_refused(copy: Path) -> None:
    (copy / "artefacts" / "more").mkdir()
    os.mkfifo(copy / "artefacts" / "pipe")
    assert [line.partition(",")[0] for line in verify(copy)] == ["artefacts/more: is a folder", "artefacts/pipe: is no plain file"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rounds = 4", "rounds = 5", "scenario.toml: rounds is not what the plan says"),
        ("erase = true", "erase = false", "scenario.toml: event.0.erase is not what the plan says"),
        ("seed = 5\n", "", "scenario.toml: seed is not what the plan says"),
        ("rounds = 4", "rounds = = 4", "scenario.toml: cannot be read"),
    ],
)
def test_a_scenario_file_that_says_something_else_is_noticed(copy: Path, old: str, new: str, said: str) -> None:
    path = copy / "scenario.toml"
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    (line,) = verify(copy)
    assert line.startswith(said)
    path.write_text(f"# a remark\n{text}")
    assert verify(copy) == [], "the control: a remark says nothing else"


def test_a_plan_that_was_edited_where_its_hash_does_not_look_is_noticed(copy: Path) -> None:
    plan = json.loads((copy / "plan.json").read_text())
    plan["scenario"]["engine"]["workers"] = 7
    (copy / "plan.json").write_text(json.dumps(plan))
    assert "plan.json: not the file that was written when the run began" in verify(copy)


@pytest.mark.parametrize("name", ["scenario.toml", "results.json"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    (line,) = verify(copy)
    assert line.startswith(f"{name}: ")


@pytest.mark.parametrize("place", [30, 4096 + 100, -5000, -20])
def test_flipped_bytes_in_the_ledger_never_end_in_a_traceback(copy: Path, finished: Run, place: int) -> None:
    ledger = bytearray((copy / "run.sqlite").read_bytes())
    for i in range(16):
        ledger[place + i] ^= 0xFF
    (copy / "run.sqlite").write_bytes(bytes(ledger))
    assert found(copy) or rows(copy) == rows(finished.folder), "where nothing is said, no row has changed: the bytes were of no use"


def rows(folder: Path) -> list[Any]:
    with closing(sqlite3.connect(folder / "run.sqlite")) as db:
        return [content(db, table) for table in TABLES]


def test_nothing_is_left_unsaid_of_an_untouched_run(copy: Path) -> None:
    told = examine(copy)
    assert (told.problems, told.not_checked) == ((), ())
