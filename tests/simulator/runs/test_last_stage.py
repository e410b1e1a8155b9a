"""Killed between its last commit and its exit, a run ends with results and report all the same."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from server.ledger import RoundRecord
from simulator.cli import app
from simulator.progress import Watch
from simulator.report import writing
from simulator.report.model import ReportData
from simulator.report.writing import write_report
from simulator.runner import prepare, resume
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.scenario import Scenario
from simulator.storage.store import RunStore

pytestmark = pytest.mark.reports

FILES = {"scenario.toml", "plan.json", "run.sqlite", "artefacts", "results.json", "report.html"}
LEAVE = {"round": 2, "do": "leave", "peers": [4], "erase": True}


RENDER = writing.render


def line(data: ReportData) -> str:
    """Return what stands in the place of each page: what counts is that it is written, and when."""
    return f"<html>{data.digest}</html>"


@pytest.fixture(autouse=True)
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "render", line)


def killed(folder: Path, after: int, place: str = "") -> int:
    """Resume a run in a process of its own and kill it when it is about to write once more than ``after`` times; return how it ended.

    Every row, file, renaming and removal counts from the moment when the last round is there, of those whose name holds ``place``; that
    moment itself is the first where there is none.
    """
    pid = os.fork()
    if pid == 0:
        left = [after]

        def count(name: str) -> None:
            if place in name:
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left[0] -= 1

        def watch(event: str, arguments: Any) -> None:
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if (writes and str(folder) in str(arguments[0])) or (event in ("os.rename", "os.remove") and str(folder) in str(arguments[0])):
                count(Path(str(arguments[0])).name)

        def begin() -> None:
            count("")
            for name in ("set_audit", "set_meta", "close"):
                setattr(RunStore, name, counted(getattr(RunStore, name), folder, count))
            sys.addaudithook(watch)

        try:
            store = RunStore(folder)
            if store.last_round() == 5:
                begin()
            else:
                RunStore.commit = begun(RunStore.commit, begin)  # type: ignore[method-assign]
            store.close()
            resume(folder, Watch())
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitpid(pid, 0)[1]


def counted(write: Callable[..., Any], folder: Path, count: Callable[[str], None]) -> Callable[..., Any]:
    def counting(store: RunStore, *arguments: Any) -> Any:
        if store.folder == folder:
            count(str(arguments[0]) if arguments else "")
        return write(store, *arguments)

    return counting


def begun(commit: Callable[..., Any], begin: Callable[[], None]) -> Callable[..., Any]:
    def committing(store: RunStore, record: RoundRecord) -> None:
        commit(store, record)
        if record.round == 5 and store.folder is not None:
            begin()

    return committing


@pytest.fixture(scope="module")
def committed(scenario: Callable[..., Scenario], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed right after its last commit; copy it, never change it."""
    folder = prepare(scenario(event=[LEAVE], audit={"counterfactual": False}), tmp_path_factory.mktemp("last"))
    assert killed(folder, 0) == signal.SIGKILL
    return folder


def taken_up(folder: Path, digest: str) -> None:
    again = resume(folder, Watch())
    assert again.digest == digest
    assert {path.name for path in folder.iterdir()} == FILES
    assert verify(folder) == []
    assert "</html>" in (folder / "report.html").read_text()


@pytest.fixture(scope="module")
def digest(committed: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the run ends with if nobody disturbs its last stage."""
    whole = shutil.copytree(committed, tmp_path_factory.mktemp("whole") / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "render", line)
        return resume(Path(whole), Watch()).digest


@pytest.mark.parametrize(
    ("after", "place", "left"),
    [
        pytest.param(0, "finished", set(), marks=pytest.mark.slow),
        pytest.param(1, "report", {"report.html.unfinished"}, marks=pytest.mark.slow),
        (1, "results", {"report.html", "results.json.unfinished"}),
    ],
)
def test_killed_at_a_write_of_the_last_stage(
    committed: Path, digest: str, tmp_path: Path, after: int, place: str, left: set[str]
) -> None:
    """Before it is finished, and when results or the report before them are written and not named."""
    folder = Path(shutil.copytree(committed, tmp_path / "run"))
    assert killed(folder, after, place) == signal.SIGKILL
    assert {path.name for path in folder.glob("re*")} == left
    taken_up(folder, digest)


@pytest.mark.slow
def test_killed_at_each_write_of_the_last_stage(committed: Path, digest: str, tmp_path: Path) -> None:
    ended = []
    for after in range(1, 30):
        folder = Path(shutil.copytree(committed, tmp_path / "copy" / committed.name))
        ended.append(killed(folder, after))
        taken_up(folder, digest)
        shutil.rmtree(folder)
        if ended[-1] == 0:
            break
    assert ended[-1] == 0, "the last trial lives: there are no more writes"
    assert len(ended) > 5
    assert set(ended[:-1]) == {signal.SIGKILL}, "the control: the others were killed"


@pytest.mark.slow
def test_killed_at_twenty_instants_of_the_last_stage_with_audits(
    scenario: Callable[..., Scenario], kill_after: Callable[[Path, float], bool], tmp_path: Path
) -> None:
    """At each write, and at ten instants of the clock between them."""
    one = scenario(event=[LEAVE, {"round": 3, "do": "delete", "peer": 2, "rows": {"fraction": 0.2}}])
    digest = resume(prepare(one, tmp_path / "whole"), Watch()).digest
    started = prepare(one, tmp_path / "started")
    assert killed(started, 0) == signal.SIGKILL
    clock = time.monotonic()
    resume(Path(shutil.copytree(started, tmp_path / "timed" / started.name)), Watch())
    length = time.monotonic() - clock
    ends = 0
    trials = [partial(killed, after=after) for after in range(1, 15)]
    trials += [partial(kill_after, seconds=length * (part + 0.5) / 10) for part in range(10)]
    for trial in trials:
        folder = Path(shutil.copytree(started, tmp_path / "copy" / started.name))
        ends += bool(trial(folder))
        taken_up(folder, digest)
        shutil.rmtree(folder)
    assert ends >= 14, "the control: at each write it was at work; by the clock it may have been quicker"


def test_what_was_lost_is_made_again_from_the_ledger(finished: Run, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished.folder, tmp_path / "copy"))
    write_report(folder)
    before = {name: (folder / name).read_bytes() for name in FILES - {"artefacts"}}
    for act in (lambda: resume(folder, Watch()), lambda: write_report(folder)):
        (folder / "results.json").unlink()
        (folder / "report.html").unlink()
        act()
        assert {name: (folder / name).read_bytes() for name in FILES - {"artefacts"}} == before


def test_without_results_commands_read_the_ledger(finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "render", RENDER)
    folder = Path(shutil.copytree(finished.folder, tmp_path / "copy"))
    (folder / "results.json").unlink()
    assert Run(folder).results == finished.results
    shown = CliRunner().invoke(app, ["show", str(folder)])
    assert shown.exit_code == 0
    assert finished.digest[:16] in shown.output
    assert verify(folder) == [f"results.json: is missing: `lethe report {folder}` makes it again"]
    page = write_report(folder, tmp_path / "page.html")
    assert page.read_text() == (finished.folder / "report.html").read_text()
    assert not (folder / "results.json").exists(), "the page went elsewhere, and nothing into the run directory"


def test_results_that_are_no_json_are_one_line(finished: Run, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished.folder, tmp_path / "copy"))
    (folder / "results.json").write_text('{"name": ')
    for arguments in (["show"], ["report"], ["verify"]):
        done = CliRunner().invoke(app, [*arguments, str(folder)])
        said = done.output if done.exit_code == 1 and done.output else str(done.exception)
        assert "results.json: cannot be read" in said
        assert f"remove it, and `lethe report {folder}` makes it again" in said
