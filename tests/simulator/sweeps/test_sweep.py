"""Many runs and one table: what is played, what is taken as it is, and what a killed sweep leaves."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from server.ledger import RoundRecord
from simulator import Scenario, run, sweep
from simulator.errors import LetheError
from simulator.progress import Watch
from simulator.storage.reading import connected
from simulator.storage.store import RunStore
from simulator.sweeps import playing
from simulator.sweeps.result import Sweep
from tests.tiny import RETRAINED

pytestmark = pytest.mark.reports
SMALL: dict[str, Any] = {
    **RETRAINED,
    "name": "small",
    "seed": 9,
    "event": [{"round": 2, "do": "delete", "peer": 0, "rows": {"fraction": 0.3}}],
    "audit": {"counterfactual": False},
}
EPOCHS = {"training.epochs": [1, 4]}
DEPARTURES = Path(__file__).resolve().parents[3] / "experiments" / "scenarios" / "departures.toml"
FILES = ("table.csv", "table.tex", "report.html")


@pytest.fixture(scope="module", autouse=True)
def short_pages() -> Iterator[None]:
    """A line stands in the place of each run's page; the sweep's own is whole."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simulator.report.writing.render", lambda data: data.name)
        yield


def play(out: Path, **changes: Any) -> Sweep:
    asked: dict[str, Any] = {"seeds": range(2), "vary": EPOCHS} | changes
    return sweep(Scenario.parse(SMALL), out=out, watch=Watch(), **asked)


def texts(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """A finished sweep; read it, never change it."""
    return play(tmp_path_factory.mktemp("sweep"))


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The run directories that are played from now on; none is."""
    asked: list[Path] = []
    monkeypatch.setattr(playing, "resume", lambda folder, watch: asked.append(folder))
    return asked


def test_the_directory_holds_runs_and_tables_and_nothing_else(whole: Sweep) -> None:
    assert whole.folder.name == f"small-{whole.design.digest[:8]}"
    assert sorted(path.name for path in whole.folder.iterdir()) == sorted(["runs", *FILES])
    assert sorted(path.name for path in (whole.folder / "runs").iterdir()) == sorted(one.stem for one in whole.design.runs)
    assert (len(whole.runs), whole.status, whole.verdict.name) == (4, 0, "measured")


def test_each_run_is_the_one_that_is_played_alone_with_the_same_settings(whole: Sweep, tmp_path: Path) -> None:
    alone = run(Scenario.parse(SMALL, ["training.epochs=4", "seed=1"]), tmp_path, Watch())
    assert alone.digest == whole.runs[3].digest
    assert alone.digest not in [one.digest for one in whole.runs[:3]]


def test_the_table_is_made_of_what_the_runs_measured(whole: Sweep) -> None:
    table = whole.table.set_index(["measure", "training.epochs"])
    for measure, path in (("accuracy.global.main", ("global", "main")), ("accuracy.local.ensemble", ("local", "ensemble"))):
        for place, epochs in enumerate((1, 4)):
            own = [one.accuracy[path[0]][path[1]] for one in whole.runs[2 * place : 2 * place + 2]]
            assert table.loc[(measure, epochs), "mean"] == pytest.approx(sum(map(float, own)) / 2)  # type: ignore[arg-type]
    steps = [int(one.timeline["gradient_steps"].sum()) for one in whole.runs]
    total = table.xs("gradient_steps")["mean"] + table.xs("distillation_steps")["mean"]
    assert total.tolist() == [sum(steps[:2]) / 2, sum(steps[2:]) / 2]
    forgotten = sum(one.erasures["gradient_steps"].sum() for one in whole.runs[2:]) / 2
    assert table.loc[("rows.gradient_steps", 4), "mean"] == forgotten
    assert not [name for name in whole.table["measure"] if "seconds" in name]
    written = pd.read_csv(whole.folder / "table.csv")
    assert written["mean"].tolist() == whole.table["mean"].tolist()
    assert (
        whole.values.groupby("training.epochs")["accuracy.global.main"].mean().tolist() == table.xs("accuracy.global.main")["mean"].tolist()
    )


def test_called_again_nothing_is_played_and_nothing_changes(whole: Sweep, idle: list[Path]) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.folder.rglob("*") if path.is_file()}
    again = play(whole.folder.parent)
    assert idle == []
    assert again.folder == whole.folder
    assert {path: path.stat().st_mtime_ns for path in whole.folder.rglob("*") if path.is_file()} == before


def test_more_seeds_take_the_runs_of_the_sweep_beside_them(whole: Sweep, tmp_path: Path) -> None:
    out = Path(shutil.copytree(whole.folder.parent, tmp_path / "out"))
    played: list[Path] = []

    def noted(folder: Path, watch: Any) -> Any:
        played.append(folder)
        return real(folder, watch)

    real = playing.resume
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(playing, "resume", noted)
        more = play(out, seeds=range(3))
    assert [folder.name for folder in played] == [one.stem for one in more.design.runs if one.seed == 2]
    assert more.folder != out / whole.folder.name
    assert [one.digest for one in more.runs if one.plan.seed < 2] == [one.digest for one in whole.runs]
    assert texts(out / whole.folder.name) == texts(whole.folder)


def test_a_run_with_another_plan_is_not_taken(whole: Sweep, idle: list[Path], tmp_path: Path) -> None:
    """Its name is right, its plan is another: the run is played, and beside it."""
    out = Path(shutil.copytree(whole.folder.parent, tmp_path / "out"))
    runs = out / whole.folder.name / "runs"
    first, second, *_ = whole.design.runs
    shutil.rmtree(runs / first.stem)
    shutil.copytree(runs / second.stem, runs / first.stem)
    done = play(out)
    assert idle == [runs / f"{first.stem}-2"]
    assert list(done.stopped) == [first.label], "what plays runs is out of order here"


def test_a_sweep_of_the_same_run_twice_is_refused_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(LetheError, match=r"engine.workers = 1, seed 0 and engine.workers = 2, seed 0 are the same run"):
        play(tmp_path / "out", vary={"engine.workers": [1, 2]})
    with pytest.raises(LetheError, match="an empty sweep"):
        sweep(Scenario.parse(SMALL), out=tmp_path / "out")
    for jobs in (0, -1, True):
        with pytest.raises(LetheError, match="give 1 or more"):
            play(tmp_path / "out", jobs=jobs)
    with pytest.raises(LetheError, match=r"training\.epochs"):
        play(tmp_path / "out", vary={"training.epochs": [1, -4]})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("place", ["", "runs", "table.csv", "report.html.unfinished", "runs/small-00000000"])
def test_links_are_refused_and_not_followed(whole: Sweep, idle: list[Path], place: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("as it was")
    out = tmp_path / "out"
    folder = out / whole.folder.name
    if place:
        (folder / "runs").mkdir(parents=True) if place != "runs" else folder.mkdir(parents=True)
    else:
        out.mkdir()
    (folder / place).symlink_to(outside)
    with pytest.raises(LetheError, match="is a link, and a sweep follows none"):
        play(out)
    assert [path.name for path in outside.iterdir()] == ["kept"]
    assert idle == []


def test_a_link_inside_a_run_stops_that_run_alone(whole: Sweep, tmp_path: Path) -> None:
    out = Path(shutil.copytree(whole.folder.parent, tmp_path / "out"))
    artefact = next((out / whole.folder.name / "runs" / whole.design.runs[0].stem / "artefacts").iterdir())
    artefact.rename(tmp_path / "elsewhere")
    artefact.symlink_to(tmp_path / "elsewhere")
    done = play(out)
    assert (len(done.runs), done.status, done.verdict.name) == (3, 2, "measured")
    (why,) = done.stopped.values()
    assert "is a link" in why
    assert done.verdict.why == "3 of 4 runs measured; 1 of 4 runs not finished"
    assert done.table["n"].tolist()[:2] == [1, 2]
    assert "One run could not be finished" in (done.folder / "report.html").read_text()


def killed(out: Path, commits: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Play the sweep in a process that kills itself right after so many rounds are committed; return whether it did."""
    commit, count = RunStore.commit, [0]

    def counted(self: RunStore, record: RoundRecord) -> None:
        commit(self, record)
        count[0] += self.folder is not None
        if count[0] == commits:
            os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "commit", counted)
        pid = os.fork()
        if pid == 0:
            try:
                play(out)
            finally:
                os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def test_killed_three_times_it_ends_with_the_same_table(whole: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for commits in (2, 1, 4):  # a run has three: the rounds and the final evaluation
        assert killed(tmp_path, commits, monkeypatch)
    (folder,) = tmp_path.iterdir()
    assert not any((folder / name).exists() for name in FILES)
    (folder / "runs" / ".left-over.1").mkdir()
    done = play(tmp_path)
    assert texts(done.folder) == texts(whole.folder)
    assert not list((folder / "runs").glob(".*"))


@pytest.fixture
def stand_in(stand_in: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that puts a shell script, which has a run directory in ``$run``, in the place of processes that play runs."""
    return lambda script: stand_in(f"while read -r run; do\n{script}\ndone")


@pytest.mark.parametrize(
    ("script", "status", "said"),
    [
        ("kill -9 $$", 3, "the process that played it ended with -9; nothing committed is lost: lethe resume "),
        ("""echo '{"now": "round 1"}'; echo '{"status": 2, "why": "the data have changed"}'""", 2, "the data have changed"),
        ("""echo '{"status": 0, "why": ""}'""", 2, "the run is not finished"),
    ],
)
def test_what_stops_runs_in_other_processes_is_told(
    stand_in: Callable[[str], None], script: str, status: int, said: str, tmp_path: Path
) -> None:
    stand_in(script)
    done = play(tmp_path / "out", jobs=2)
    assert (done.runs, done.status, len(done.stopped)) == ([], status, 4)
    assert all(said in why for why in done.stopped.values())
    assert not any((done.folder / name).exists() for name in FILES)


@pytest.mark.slow
def test_several_at_once_end_with_the_same_table_and_one_that_dies_stops_no_other(
    whole: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim, real = whole.design.runs[0].stem, playing._Worker.play

    def struck(self: Any, folder: Path, tell: Callable[[str], None]) -> Any:
        return real(self, folder, (lambda text: self.process.kill()) if folder.name == victim else tell)

    with monkeypatch.context() as patch:
        patch.setattr(playing._Worker, "play", struck)
        done = play(tmp_path, jobs=2)
    ((label, why),) = done.stopped.items()
    assert (len(done.runs), done.status, label) == (3, 3, whole.design.runs[0].label)
    assert "the process that played it ended with -9; nothing committed is lost" in why
    again = play(tmp_path)
    assert again.status == 0
    assert texts(again.folder) == texts(whole.folder)


def swept(out: Path, file: Path, *options: str, kills: Sequence[int] = ()) -> Path:
    """Return the directory of a sweep by two processes, killed whenever so many rounds are in the ledgers, and called again."""
    command = [sys.executable, "-m", "simulator.cli", "sweep", str(file), *options, "-j", "2", "--out", str(out)]
    for commits in kills:
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while sum(rounds(path) for path in out.glob("*/runs/*/run.sqlite")) < commits and process.poll() is None:
            time.sleep(0.02)
        process.kill()
        assert process.wait() == -signal.SIGKILL, "it had not ended by itself"
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_killed_with_several_at_once_it_leaves_no_process_and_goes_on(whole: Sweep, tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    file.write_text(Scenario.parse(SMALL).to_toml())
    options = "--seeds", "0:2", "--vary", "training.epochs=[1, 4]"
    assert texts(swept(tmp_path / "out", file, *options, kills=(1, 4, 7))) == texts(whole.folder)


@pytest.mark.slow
def test_the_departures_over_five_seeds_end_alike_however_often_they_are_killed(tmp_path: Path) -> None:
    few = "data.rows=700", "data.reference=60", "data.test=60", "rounds=7", "training.epochs=1", "distillation.epochs=1"
    settings = *few, "audit.counterfactual=false", "audit.membership_inference=false", "audit.relearn=false"
    options = ["--seeds", "0:5", *(word for one in settings for word in ("--set", one))]
    killed = swept(tmp_path / "killed", DEPARTURES, *options, kills=(3, 12, 24))
    assert len(list((killed / "runs").iterdir())) == 5
    assert texts(killed) == texts(swept(tmp_path / "whole", DEPARTURES, *options))


def rounds(path: Path) -> int:
    """Return how many rounds a ledger has, 0 if it is not there yet."""
    with suppress(sqlite3.Error, OSError), connected(path) as db:
        return int(db.execute("select count(*) from rounds").fetchone()[0])
    return 0


def test_two_sweeps_do_not_work_in_one_directory(whole: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.sweeps.directory.PATIENCE", 0.0)

    def meanwhile(folder: Path, watch: Any) -> None:
        with pytest.raises(LetheError, match="another process is working on it"):
            play(tmp_path)
        raise LetheError("enough was seen")

    monkeypatch.setattr(playing, "resume", meanwhile)
    assert set(play(tmp_path).stopped.values()) == {"enough was seen"}
