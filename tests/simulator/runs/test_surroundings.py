"""What surrounds a run may fail it: full disks, limits, folders that cannot be written, data that have changed. Each is one line."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from clients import data
from clients.classification.hdus.peer import Peer
from server.ledger import RoundRecord
from simulator.cli import app
from simulator.errors import LetheError, StoppedError
from simulator.progress import Watch
from simulator.report.writing import write_report
from simulator.runner import prepare, resume, run
from simulator.runs.run import Run
from simulator.runs.verify import examine, verify
from simulator.scenarios.scenario import Scenario
from simulator.storage.store import RunStore

PLAIN = {"audit": {"counterfactual": False}}


@pytest.fixture
def file(scenario: Callable[..., Scenario], tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(scenario(rounds=2, **PLAIN).to_toml())
    return path


def test_a_file_size_limit_stops_a_run_in_one_line_and_it_can_be_resumed(forked: Callable[..., int], file: Path, tmp_path: Path) -> None:
    large, said = 'peers.main=[{kind="linear"}, {kind="mlp", hidden=[1024]}]', tmp_path / "said"
    pid = forked(said.open("w"), "run", file, "--out", tmp_path / "runs", "--set", large, limit=200_000)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3, said.read_text()
    (folder,) = (tmp_path / "runs").iterdir()
    (line,) = said.read_text().strip().splitlines()
    assert line.startswith("lethe: ")
    assert line.endswith(f"nothing committed is lost: lethe resume {folder}")
    assert resume(folder, Watch()).digest == run(Scenario.load(file, [large]), tmp_path / "whole").digest
    assert verify(folder) == []


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("_write", OSError(errno.ENOSPC, "No space left on device", "x")),
        ("_insert", sqlite3.OperationalError("database or disk is full")),
        ("set_audit", sqlite3.OperationalError("disk I/O error")),
        ("finish", OSError(errno.EROFS, "Read-only file system")),
    ],
)
def test_an_error_of_the_disk_at_any_place_is_one_line(
    scenario: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, error: Exception
) -> None:
    write = getattr(RunStore, place)

    def fail(store: RunStore, *arguments: Any) -> Any:
        late = place == "_insert" and isinstance(arguments[0], RoundRecord) and arguments[0].round < 2
        if store.folder is None or late:
            return write(store, *arguments)
        raise error

    leave = {"round": 2, "do": "leave", "peers": [4], "erase": True}
    audit = {"counterfactual": place == "set_audit"}
    folder = prepare(scenario(rounds=2, event=[leave], audit=audit), tmp_path)
    with monkeypatch.context() as full:
        full.setattr(RunStore, place, fail)
        with pytest.raises(StoppedError, match=f"nothing committed is lost: lethe resume {folder}") as stopped:
            resume(folder, Watch())
    assert len(str(stopped.value).splitlines()) == 1
    assert stopped.value.status == 3
    assert resume(folder, Watch()).results["erasures"][0]["max_abs_difference"] == (0.0 if place == "set_audit" else None)
    assert verify(folder) == []


def test_a_full_disk_inside_a_peer_stops_the_run(
    scenario: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(peer: Peer) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", "/cache/x.part")

    folder = prepare(scenario(rounds=1, audit={"counterfactual": False}), tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Peer, "train", full)
        with pytest.raises(StoppedError, match=r"peer \d: /cache/x.part: No space left on device: make room; nothing committed"):
            resume(folder, Watch())
    assert resume(folder, Watch()).results["verdict"]["name"] == "measured"


def test_a_page_for_which_there_is_no_room_is_one_line(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("simulator.report.writing.write_whole", full)
    with pytest.raises(StoppedError, match=r"report.html: cannot be written \(No space left on device\): lethe report ") as error:
        write_report(finished.folder)
    assert error.value.status == 3


@pytest.mark.parametrize("out", ["/dev/null", "/dev/null/runs", "/proc/lethe", "file"])
def test_an_output_that_can_hold_no_run_directory_is_one_line(file: Path, tmp_path: Path, out: str) -> None:
    (tmp_path / "file").write_text("a file")
    where = tmp_path / out  # an absolute one stays what it is
    with pytest.raises(LetheError, match="no run directory can be made there") as error:
        prepare(Scenario.load(file), where)
    assert error.value.status == 2
    assert len(str(error.value).splitlines()) == 1
    assert str(where) in str(error.value)
    assert (tmp_path / "file").read_text() == "a file"


def test_a_plan_that_another_process_starts_at_once_takes_the_next_number(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare(Scenario.load(file), tmp_path)
    (tmp_path / f".{first.name}.{os.getpid()}").mkdir()  # what a killed process with the same number left
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: path != first and exists(path))  # when this process looked, the name was free
    assert prepare(Scenario.load(file), tmp_path).name == f"{first.name}-2"


# data ------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A file of numbers with a class, which trials change."""
    draw = np.random.default_rng(7)
    rows = draw.normal(size=(160, 3)).round(3)
    path = tmp_path / "data" / "rows.csv"
    path.parent.mkdir()
    path.write_text("a,b,c,label\n" + "".join(f"{a},{b},{c},{int(a > 0)}\n" for a, b, c in rows))
    return path


@pytest.fixture
def on_table(scenario: Callable[..., Scenario], table: Path) -> Scenario:
    source = {"dataset": "csv", "path": str(table), "reference": 20, "test": 20, "partition": {"kind": "iid"}}
    delete = {"round": 2, "do": "delete", "peer": 2, "rows": {"fraction": 0.2}}
    return scenario(rounds=3, data=source, event=[delete], **PLAIN)


def swapped(text: str) -> str:
    """Return a table with two of its lines exchanged."""
    lines = text.splitlines()
    lines[5], lines[6] = lines[6], lines[5]
    return "\n".join(lines) + "\n"


def test_data_that_have_changed_are_not_gone_on_with(
    on_table: Scenario, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prepare(on_table, tmp_path / "runs")
    commit = RunStore.commit

    def die(store: RunStore, record: RoundRecord) -> None:
        commit(store, record)
        if record.round == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(RunStore, "commit", die)
        with pytest.raises(KeyboardInterrupt):
            resume(folder, Watch())
    before = table.read_text()
    table.write_text(swapped(before))
    with pytest.raises(LetheError, match="has changed since the run began") as error:
        resume(folder, Watch())
    assert str(table) in str(error.value)
    table.unlink()
    with pytest.raises(LetheError, match="is not here"):
        resume(folder, Watch())
    table.write_text(before)
    resume(folder, Watch())
    assert verify(folder) == []


def test_verify_compares_the_data(on_table: Scenario, table: Path, tmp_path: Path) -> None:
    folder = run(on_table, tmp_path / "runs").folder
    whole = table.read_text()
    for changed in (swapped(whole), whole.replace(",1\n", ",yes\n"), whole[:-4], "a\n"):
        table.write_text(changed)
        data.load.cache_clear()
        assert any(line.startswith("data: ") and str(table) in line for line in verify(folder)), changed
        with pytest.raises(LetheError, match="data: "):
            write_report(folder, tmp_path / "page.html")
    table.write_text(whole)
    assert verify(folder) == [], "the control: put back, it holds"


@pytest.mark.parametrize("federation", ["hdus", "sums"])
def test_without_the_data_verify_says_what_it_has_not_checked(
    on_table: Scenario, table: Path, tmp_path: Path, federation: str
) -> None:
    if federation == "sums":
        shared = on_table.model_dump(mode="json", include={"name", "rounds", "data", "audit", "event"})
        on_table = Scenario.parse({**shared, "federation": {"kind": "sums", "model": {"kind": "ridge"}}, "peers": {"count": 4}})
    folder = run(on_table, tmp_path / "runs").folder
    shutil.move(table.parent, tmp_path / "moved")
    data.load.cache_clear()
    done = CliRunner().invoke(app, ["verify", str(folder)])
    assert done.exit_code == 0, done.output
    assert f"not checked: the data that were loaded: {table} is not here" in done.output
    assert examine(folder).problems == ()
    next((folder / "artefacts").iterdir()).unlink()
    assert any("missing" in line for line in verify(folder)), "the control: all the rest is checked"


def test_a_plan_that_was_changed_is_not_gone_on_with(scenario: Callable[..., Scenario], tmp_path: Path) -> None:
    folder = prepare(scenario(**PLAIN), tmp_path)
    plan = folder / "plan.json"
    plan.write_text(plan.read_text().replace('"rounds":4', '"rounds":3'))
    with pytest.raises(LetheError, match="is not the plan that was played"):
        resume(folder, Watch())


def test_a_run_directory_that_nobody_may_open_is_one_line(scenario: Callable[..., Scenario], tmp_path: Path) -> None:
    folder = prepare(scenario(**PLAIN), tmp_path)
    (folder / "run.sqlite").unlink()
    os.mkfifo(folder / "run.sqlite")
    for ask in (verify, resume, write_report):
        with pytest.raises(LetheError, match="not a run directory"):
            ask(folder)
