"""Killed at any instant, a run resumes and ends with the digest it would have had."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simulator.progress import Watch
from simulator.runner import prepare, resume
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.scenario import Scenario

Kill = Callable[[Path, float], bool]

EVENTS = [
    {"round": 2, "do": "leave", "peers": [4], "erase": True},
    {"round": 3, "do": "delete", "peer": 2, "rows": {"fraction": 0.2}},
    {"round": 3, "do": "crash", "peers": [1], "phase": "before_sending"},
]


@pytest.fixture(scope="module")
def undisturbed(scenario: Callable[..., Scenario], tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path, float]:
    """Return the run that nobody disturbs, a fresh run directory to copy, and how long the run takes."""
    one = scenario(event=EVENTS, audit={"counterfactual": True})
    folder = tmp_path_factory.mktemp("kill")
    fresh = prepare(one, folder / "fresh")
    started = time.monotonic()
    run = resume(prepare(one, folder / "whole"), Watch())
    return run, fresh, time.monotonic() - started


def instants(count: int, length: float) -> Iterator[float]:
    """Return ``count`` instants spread over the length of a run, one at random in each part of it."""
    chance = random.Random(2308)
    for part in range(count):
        yield length * (part + chance.random()) / count


def survives(undisturbed: tuple[Run, Path, float], kill_after: Kill, folder: Path, seconds: float) -> None:
    run, fresh, _ = undisturbed
    shutil.copytree(fresh, folder)
    kill_after(folder, seconds)
    again = resume(folder, Watch())
    assert again.digest == run.digest
    assert again.results["erasures"][0]["max_abs_difference"] == 0.0
    assert [one["receipts"] for one in again.results["erasures"]] == [one["receipts"] for one in run.results["erasures"]]
    assert verify(folder) == []
    shutil.rmtree(folder)


def test_killed_at_a_few_instants(undisturbed: tuple[Run, Path, float], kill_after: Kill, tmp_path: Path) -> None:
    for number, seconds in enumerate(instants(3, undisturbed[2])):
        survives(undisturbed, kill_after, tmp_path / str(number), seconds)


@pytest.mark.slow
def test_killed_at_fifty_instants(undisturbed: tuple[Run, Path, float], kill_after: Kill, tmp_path: Path) -> None:
    for number, seconds in enumerate(instants(50, undisturbed[2])):
        survives(undisturbed, kill_after, tmp_path / str(number), seconds)


@pytest.mark.slow
def test_killed_again_and_again(undisturbed: tuple[Run, Path, float], kill_after: Kill, tmp_path: Path) -> None:
    run, fresh, length = undisturbed
    folder = tmp_path / "run"
    shutil.copytree(fresh, folder)
    killed = sum(kill_after(folder, length / 4) for _ in range(4))
    assert killed, "the control: it was at work when it was killed"
    assert resume(folder, Watch()).digest == run.digest


def test_two_processes_do_not_work_on_one_run(undisturbed: tuple[Run, Path, float], start: Callable[[Path], int], tmp_path: Path) -> None:
    from simulator.errors import LetheError

    folder = tmp_path / "run"
    shutil.copytree(undisturbed[1], folder)
    pid = start(folder)
    try:
        while not list((folder / "artefacts").glob("*")):  # until it is at work
            assert os.waitpid(pid, os.WNOHANG) == (0, 0)
            time.sleep(0.01)
        with pytest.raises(LetheError, match="another process"):
            resume(folder, Watch())
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert resume(folder, Watch()).digest == undisturbed[0].digest


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["ray", "grpc"])
def test_a_killed_driver_of_many_processes(
    undisturbed: tuple[Run, Path, float], scenario: Callable[..., Scenario], tmp_path: Path, engine: str
) -> None:
    one = scenario(event=EVENTS, audit={"counterfactual": True}, engine={"kind": engine, "workers": 2})
    command = [sys.executable, "-m", "simulator.cli", "resume"]
    for number, seconds in enumerate((8.0, 11.0, 14.0, 18.0)):
        folder = prepare(one, tmp_path / str(number))
        driver = subprocess.Popen([*command, str(folder)], stdout=subprocess.DEVNULL, start_new_session=True)
        time.sleep(seconds)
        driver.kill()
        driver.wait()
        done = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert Run(folder).digest == undisturbed[0].digest
        assert verify(folder) == []
