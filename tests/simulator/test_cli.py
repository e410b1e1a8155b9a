"""The command as a person at a keyboard meets it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.scenario import Scenario

Lethe = Callable[..., Any]
PLAIN = [word for audit in ("counterfactual", "membership_inference", "relearn") for word in ("--set", f"audit.{audit}=false")]
LEAVE = {"round": 3, "do": "leave", "peers": [4], "erase": True}


@pytest.fixture
def file(scenario: Callable[..., Scenario], tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(scenario(event=[LEAVE], expect=[{"after": 3, "absent": 4}]).to_toml())
    return path


def test_run_prints_the_run_directory_last_and_the_rest_works_on_it(lethe: Lethe, file: Path, tmp_path: Path) -> None:
    done = lethe("run", file, "--out", tmp_path / "runs")
    assert done.status == 0, done.err
    folder = Path(done.out.splitlines()[-1])
    assert {"scenario.toml", "plan.json", "run.sqlite", "artefacts", "results.json", "report.html"} == {p.name for p in folder.iterdir()}
    found = json.loads((folder / "results.json").read_text())
    assert found["name"] == "small"
    assert lethe("verify", folder).status == 0
    assert "drop_seed" in lethe("show", folder).out
    (folder / "report.html").unlink()
    assert lethe("report", folder).out.strip() == str(folder / "report.html")
    assert (folder / "report.html").is_file()
    again = lethe("resume", folder)
    assert again.status == 0
    assert json.loads((folder / "results.json").read_text()) == found, "resuming a finished run changes nothing"

@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--bogus"], "lethe run: No such option '--bogus'. Did you mean '--out'? See `lethe run --help`."),
        (["run"], "lethe run: Missing argument 'FILE'. See `lethe run --help`."),
        (["runn"], "lethe: No such command 'runn'. (Did you mean one of: 'prune', 'run'?) See `lethe --help`."),
        (["run", "a.toml", "b.toml"], "lethe run: Got unexpected extra argument (b.toml). See `lethe run --help`."),
    ],
)
def test_wrong_words_on_the_command_line_are_one_line(lethe: Lethe, words: list[str], said: str) -> None:
    done = lethe(*words)
    assert done.status == 2
    assert done.err == said + "\n"
    assert not done.out


def test_a_failed_expectation_is_named_and_exits_1(lethe: Lethe, file: Path, tmp_path: Path) -> None:
    done = lethe("run", file, "--set", "expect.0.after=2", *PLAIN, "--out", tmp_path / "runs")
    assert done.status == 1
    assert "expectation 1 failed after round 2" in done.err
    assert Path(done.out.splitlines()[-1]).is_dir()


def test_a_tampered_run_fails_verify_with_exit_1(lethe: Lethe, finished: Run, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(finished.folder, tmp_path / "copy")
    next((copy / "artefacts").iterdir()).unlink()
    done = lethe("verify", copy)
    assert done.status == 1
    assert "missing" in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "nowhere.toml"], "nowhere.toml"),
        (["check", "nowhere.toml"], "nowhere.toml"),
        (["verify", "nowhere"], "not a run directory"),
        (["resume", "."], "not a run directory"),
        (["report", "nowhere"], "not a run directory"),
        (["show", "nowhere"], "not a run directory"),
    ],
)
def test_bad_input_is_one_line_and_exit_2_and_writes_nothing(
    lethe: Lethe, arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = lethe(*arguments)
    assert done.status == 2
    assert len(done.err.strip().splitlines()) == 1
    assert said in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_method_that_cannot_be_carried_out_is_one_line_and_exit_2(lethe: Lethe, file: Path, tmp_path: Path) -> None:
    done = lethe("run", file, "--set", 'event.0.method="finetune"', "--out", tmp_path / "runs")
    assert done.status == 2
    assert done.err.strip().splitlines() == [
        f"lethe: {file}: event 1 (event.0.method): finetune cannot be carried out for peer in classification/hdus: take one of drop_seed"
    ]
    assert not (tmp_path / "runs").exists()


def test_a_malformed_scenario_writes_nothing(lethe: Lethe, file: Path, tmp_path: Path) -> None:
    done = lethe("run", file, "--set", "peers.cuont=3", "--out", tmp_path / "runs")
    assert done.status == 2
    assert "count" in done.err, "it says what was meant"
    assert not (tmp_path / "runs").exists()


def test_check_and_methods_and_schema(lethe: Lethe, file: Path) -> None:
    assert "leave" in lethe("check", file).out
    assert "drop_seed" in lethe("methods").out
    assert json.loads(lethe("schema").out)["title"] == "Scenario"


@pytest.mark.parametrize("command", ["--help", "methods", "check"])
def test_quick_answers_load_nothing_heavy(command: str, file: Path) -> None:
    arguments = [command, str(file)] if command == "check" else [command]
    code = (
        "import sys, simulator.cli as c\n"
        f"sys.argv = ['lethe', *{arguments!r}]\n"
        "try: c.main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'ray', 'flwr', 'sklearn', 'diffusers', 'numba', 'pandas', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("sent", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
def test_a_signal_leaves_a_run_that_can_be_resumed_and_says_how(
    lethe: Lethe, forked: Callable[..., int], file: Path, tmp_path: Path, sent: signal.Signals, word: str
) -> None:
    said = tmp_path / "said"
    pid = forked(said.open("w"), "run", file, "--out", tmp_path / "runs", "--set", "training.epochs=20", *PLAIN)
    while not list(tmp_path.glob("runs/small-*/artefacts/*.safetensors")):
        time.sleep(0.05)
        assert os.waitpid(pid, os.WNOHANG) == (0, 0)
    os.kill(pid, sent)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 128 + sent
    err = said.read_text()
    (folder,) = tmp_path.glob("runs/small-*")
    assert err.splitlines()[-1] == f"{word}; nothing committed is lost: lethe resume {folder}"
    assert "Traceback" not in err
    if sent == signal.SIGINT:
        assert lethe("resume", folder).status == 0
        assert verify(folder) == []


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["ray", "grpc", "flower"])
def test_sigterm_ends_what_an_engine_has_started(file: Path, tmp_path: Path, engine: str) -> None:
    options = ["--out", str(tmp_path / "runs"), "--set", "training.epochs=500", "--engine", engine, "--workers", "2"]
    command = [sys.executable, "-m", "simulator.cli", "run", str(file), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline() == "small: round 1 of 4\n"
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    (folder,) = tmp_path.glob("runs/small-*")
    assert (process.returncode, err.splitlines()[-1]) == (143, f"terminated; nothing committed is lost: lethe resume {folder}")


def test_progress_is_drawn_on_a_terminal_and_told_line_by_line_elsewhere(
    lethe: Lethe, forked: Callable[..., int], file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = lethe("run", file, "--out", tmp_path / "quiet", *PLAIN)
    rounds = ["small: round 1 of 4", "small: round 2 of 4", "small: round 3 of 4: leave 4", "small: round 4 of 4"]
    assert quiet.err.splitlines()[:5] == [*rounds, "small: final evaluation"]
    master, slave = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "140")
    pid = forked(os.fdopen(slave, "w"), "run", file, "--out", tmp_path / "loud", *PLAIN)
    drawn = b""
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:  # the terminal's other end is closed
            break
        drawn += chunk
    assert os.waitpid(pid, 0)[1] == 0
    assert b"5/5" in drawn
    assert b"leave 4" in drawn
