"""Playing runs of a sweep: one after another in this process, or several at once in processes of their own."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Protocol

from clients.plugins import PluginError
from simulator.errors import LetheError
from simulator.runner import resume, whole
from simulator.runs.run import Run
from simulator.sweeps.design import Planned
from simulator.sweeps.relay import Relay, Tell

Ended = tuple[int, str]
"""Exit status that a run comes to, and why where it is not finished: 0 and nothing, 2 or 3 and the reason."""

PATIENCE = 10.0
"""Seconds in which a process stops what it has started when it is told to end."""

Place = Callable[[Planned], Path]
"""Returns the directory of a run."""


class Showing(Protocol):
    """What is told while runs are played; it may be called from several threads."""

    def now(self, one: Planned, text: str) -> None:
        """Take what a run is doing."""

    def ended(self, one: Planned, folder: Path | None, end: Ended) -> None:
        """Take how a run has ended; ``folder`` is its directory, None where it has none."""


def play_here(folder: Path, watch: Relay) -> Ended:
    """Play a run to its end in this process."""
    return _caught(lambda: resume(folder, watch))


def play_all(runs: Iterable[Planned], jobs: int, place: Place, showing: Showing, lock: int) -> None:
    """Play runs to their ends; one that cannot be finished does not keep the others from it.

    Parameters
    ----------
    runs : iterable of Planned
    jobs : int
        How many are played at once. One is played in this process, more in processes of their own, which end with this one.
    place : callable
        Returns, and makes where it is not there, the directory of a run.
    showing : Showing
    lock : int
        File descriptor that is open as long as any process works on the sweep.
    """
    if jobs == 1:
        for one in runs:
            _play(one, place, showing, lambda folder, tell: play_here(folder, Relay(tell)))
        return
    waiting: SimpleQueue[Planned] = SimpleQueue()
    for one in runs:
        waiting.put(one)
    workers = [_Worker(lock) for _ in range(min(jobs, waiting.qsize()))]
    with ThreadPoolExecutor(max(len(workers), 1)) as pool:
        serving = [pool.submit(_serve, worker, waiting, place, showing) for worker in workers]
        try:
            wait(serving)
        finally:
            with suppress(Empty):
                while True:
                    waiting.get_nowait()
            for worker in workers:
                worker.stop()
            for worker in workers:
                worker.wait()
    for served in serving:
        served.result()


def _serve(worker: _Worker, waiting: SimpleQueue[Planned], place: Place, showing: Showing) -> None:
    """Let a worker play what waits until nothing does."""
    with suppress(Empty, _EndingError):
        while True:
            _play(waiting.get_nowait(), place, showing, worker.play)


def _play(one: Planned, place: Place, showing: Showing, play: Callable[[Path, Tell], Ended]) -> None:
    """Play a run to its end, unless it is finished already, and see that its results can be read."""
    begun: list[tuple[Path, bool]] = []

    def begin() -> None:
        folder = place(one)
        begun.append((folder, whole(folder)))

    end = _caught(begin)
    for folder, finished in begun:
        end = (0, "") if finished else play(folder, lambda text: showing.now(one, text))
        if end[0] == 0:
            end = _caught(lambda folder=folder: Run(folder).results)  # type: ignore[misc]
    showing.ended(one, begun[0][0] if begun else None, end)


def _caught(work: Callable[[], object]) -> Ended:
    """Do something, and return with which status what the user can mend would end a command, and why."""
    try:
        work()
    except (LetheError, PluginError) as error:
        return getattr(error, "status", 2), str(error)
    except sqlite3.DatabaseError as error:
        return 2, f"run.sqlite: cannot be read ({error}): `lethe verify` says what is damaged"
    return 0, ""


class _EndingError(Exception):
    """The sweep is ending, and its processes with it: nothing is to be told of their runs."""


class _Worker:
    """A process that plays runs, started anew where it has died; see `simulator.sweeps.worker`."""

    def __init__(self, lock: int) -> None:
        self.lock = lock
        self.ending = False
        self.process: subprocess.Popen[str] | None = None

    def play(self, folder: Path, tell: Tell) -> Ended:
        """Have a run played to its end."""
        process = self._started()
        with suppress(BrokenPipeError):  # it has died: nothing comes back either
            print(json.dumps(str(folder)), file=process.stdin, flush=True)
        for line in process.stdout or ():
            told = json.loads(line)
            if "status" in told:
                return int(told["status"]), str(told["why"])
            tell(told["now"])
        if self.ending:
            raise _EndingError
        return 3, f"{folder}: the process that played it ended with {process.wait()}; nothing committed is lost: lethe resume {folder}"

    def _started(self) -> subprocess.Popen[str]:
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "simulator.sweeps.worker"],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=(self.lock,),
                text=True,
                encoding="utf-8",
            )
            if self.ending:
                self.process.terminate()
        return self.process

    def stop(self) -> None:
        """Tell the process to end, whatever it is doing; what it has committed stays."""
        self.ending = True
        if self.process is not None:
            self.process.terminate()

    def wait(self) -> None:
        """Wait for the process to end, and kill it if it does not."""
        if self.process is not None:
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
