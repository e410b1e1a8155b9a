"""What only reads a run directory changes nothing in it, and works where nothing may be written."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from simulator.cli import app
from simulator.errors import LetheError
from simulator.report.writing import write_report
from simulator.runner import resume
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.storage.reading import reading
from simulator.storage.store import RunStore

pytestmark = pytest.mark.reports


def snapshot(folder: Path) -> dict[str, Any]:
    """Return of everything in a folder its bytes, its mode and when it was written; of folders when something was put into them."""
    found = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        told = path.stat()
        found[str(path.relative_to(folder))] = (path.read_bytes() if path.is_file() else None, told.st_mode, told.st_mtime_ns)
    return found


@pytest.fixture
def locked(finished: Run, tmp_path: Path) -> Iterator[Path]:
    """A copy in which nobody but root may write."""
    folder = Path(shutil.copytree(finished.folder, tmp_path / "elsewhere" / "copy"))
    everything = [folder, *folder.rglob("*")]
    for path in everything:
        path.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH | (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH if path.is_dir() else 0))
    yield folder
    for path in everything:
        path.chmod(stat.S_IRWXU)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What SQLite is told to open: with root's rights, only this shows how."""
    asked: list[str] = []
    connect = sqlite3.connect

    def told(where: Any, *arguments: Any, **options: Any) -> sqlite3.Connection:
        asked.append(str(where))
        return connect(where, *arguments, **options)

    monkeypatch.setattr(sqlite3, "connect", told)
    return asked


@pytest.fixture
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are collected, and a line is written in the place of the whole: where it may be written is what matters."""
    monkeypatch.setattr("simulator.report.writing.render", lambda data: data.name)


def test_an_untouched_run_copied_read_only_elsewhere_holds(locked: Path, opened: list[str]) -> None:
    before = snapshot(locked)
    run = Run(locked)
    assert verify(locked) == []
    assert run.results["name"] == "small"
    assert len(run.peers()) == 5
    assert len(run.metrics) > 0
    shown = CliRunner().invoke(app, ["show", str(locked)])
    assert shown.exit_code == 0, shown.output
    page = locked.parent / "page.html"
    written = CliRunner().invoke(app, ["report", str(locked), "--out", str(page)])
    assert written.exit_code == 0, written.output
    assert page.read_text() == (locked / "report.html").read_text()
    assert resume(locked).digest == run.digest, "nothing is missing, so nothing is to be done"
    assert snapshot(locked) == before
    here = [where for where in opened if "copy" in where]
    assert here
    assert all("mode=ro&immutable=1" in where for where in here), here


def test_the_control_a_store_that_is_opened_to_be_written_leaves_traces(finished: Run, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished.folder, tmp_path / "copy"))
    before = snapshot(folder)
    store = RunStore(folder)
    assert snapshot(folder) != before
    store.close()


def as_nobody(act: Callable[[], object]) -> str:
    """Carry something out without root's rights; return its error in words, empty if there was none."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgid(65534)
            os.setuid(65534)
            act()
            said = ""
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(theirs, said.encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as told:
        said = told.read()
    os.waitpid(pid, 0)
    return said


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody with fewer rights; others have them already")
@pytest.mark.usefixtures("short_pages")
def test_somebody_without_rights_to_write_can_read_all_of_it(finished: Run) -> None:
    """Not below pytest's own folder, which is closed to others."""
    with tempfile.TemporaryDirectory() as there:
        Path(there).chmod(0o777)
        folder, page = Path(shutil.copytree(finished.folder, Path(there) / "run")), Path(there) / "page.html"
        if said := as_nobody(lambda: list(folder.iterdir())):
            pytest.skip(f"others cannot read temporary folders here: {said}")
        verify(folder)  # so that all modules are loaded
        write_report(folder, page)
        page.unlink()
        assert as_nobody(lambda: (folder / "new").touch()).startswith("PermissionError"), "the control: nothing can be written"
        assert as_nobody(lambda: _holds(folder)) == ""
        assert as_nobody(lambda: Run(folder).results["name"]) == ""
        assert as_nobody(lambda: resume(folder)) == ""
        said = as_nobody(lambda: write_report(folder))
        cure = f"lethe report {folder} --out FILE writes the page elsewhere"
        assert said == f"LetheError: {folder}/report.html: cannot be written (Permission denied): {cure}"
        assert as_nobody(lambda: write_report(folder, page)) == ""


def _holds(folder: Path) -> None:
    assert verify(folder) == []


@pytest.mark.usefixtures("short_pages")
def test_a_page_that_cannot_be_written_is_one_line(finished: Run, tmp_path: Path) -> None:
    for wrong in (tmp_path, tmp_path / "no" / "page.html", finished.folder / "plan.json" / "page.html"):
        with pytest.raises(LetheError, match="cannot be written") as error:
            write_report(finished.folder, wrong)
        assert len(str(error.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
    assert not list(tmp_path.parent.glob("*.unfinished"))


def test_the_log_of_a_killed_process_is_read_and_left_alone(finished: Run, tmp_path: Path) -> None:
    """What a process committed last may stand in the log alone; SQLite would clear the log away."""
    folder = Path(shutil.copytree(finished.folder, tmp_path / "copy"))
    pid = os.fork()
    if pid == 0:
        store = RunStore(folder)
        store.set_meta("note", "committed last")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert (folder / "run.sqlite-wal").stat().st_size > 0, "the control: there is a log"
    before = snapshot(folder)
    with reading(folder) as store:
        assert store.meta("note") == "committed last"
    assert verify(folder) == ["run.sqlite: table meta is not as it was when the run was finished"]
    assert Run(folder).results["name"] == "small"
    assert snapshot(folder) == before


@pytest.mark.usefixtures("short_pages")
@pytest.mark.parametrize("name", ["what?a#b%41", "100% a&c=d;e ünï"])
def test_folders_may_be_called_anything(finished: Run, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(finished.folder, tmp_path / name / f"run{name}"))
    assert verify(folder) == []
    assert len(Run(folder).receipts) == len(finished.receipts)
    (folder / "report.html").unlink()
    (folder / "results.json").unlink()
    assert resume(folder).digest == finished.digest
    assert verify(folder) == []
    assert {path.name for path in tmp_path.rglob("*") if path.is_dir()} == {name, f"run{name}", "artefacts"}
    assert [path.name for path in tmp_path.rglob("*.sqlite*")] == ["run.sqlite"], "no ledger was made elsewhere"
    with closing(sqlite3.connect(folder / "run.sqlite")) as db:
        assert db.execute("select count(*) from rounds").fetchone() == (5,)
