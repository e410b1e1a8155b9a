from __future__ import annotations

import io
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import pytest

from clients import wire
from simulator.plugins import registries
from simulator.progress import Watch
from simulator.runner import resume, run
from simulator.runs.run import Run
from simulator.scenarios.scenario import Scenario
from simulator.storage import chain
from simulator.storage.store import RunStore

SMALL: dict[str, Any] = {
    "name": "small",
    "seed": 5,
    "rounds": 4,
    "data": {
        "dataset": "digits",
        "rows": 500,
        "reference": 60,
        "test": 80,
        "partition": {"kind": "dirichlet", "alpha": 0.5, "min_rows": 15},
    },
    "peers": {
        "count": 6,
        "main": [
            {"kind": "mlp", "hidden": [16]},
            {"kind": "linear"},
            {"kind": "sisa", "shards": 2, "slices": 2, "base": {"kind": "linear"}},
        ],
        "seed": {"kind": "mlp", "hidden": [8]},
    },
    "training": {"epochs": 2},
    "distillation": {"epochs": 2},
    "topology": {"kind": "ring", "on_leave": "bridge"},
    "audit": {"counterfactual": True, "membership_inference": True, "relearn": True},
}

LEAVE = {"round": 3, "do": "leave", "peers": [4], "erase": True}
DELETE = {"round": 3, "do": "delete", "peer": 2, "rows": {"fraction": 0.2}}


class Said(NamedTuple):
    """What a command ended with."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="session", autouse=True)
def schemas_once() -> Iterator[None]:
    """Make a schema once for the same registered classes: every mistake in a scenario asks for it, and waits for little else."""
    made: dict[tuple[object, ...], dict[str, Any]] = {}
    make: Any = Scenario.model_json_schema.__func__  # type: ignore[attr-defined]

    def once(cls: type[Scenario], **options: Any) -> dict[str, Any]:
        known = (cls, *options.items(), *(each for registry in registries() for each in registry.working().items()))
        if known not in made:
            made[known] = make(cls, **options)
        return made[known]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scenario, "model_json_schema", classmethod(once))
        yield


@pytest.fixture
def lethe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Return a function that runs the command line in this process."""
    from simulator import cli

    def run(*arguments: object) -> Said:
        monkeypatch.setattr("sys.argv", ["lethe", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return Said(int(stopped.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def forked() -> Callable[..., int]:
    """Return a function that runs the command line in a process of its own, which need not import everything anew, and returns its pid.

    Its standard error is a file that is closed here; files that it writes may have ``limit`` bytes.
    """
    from simulator import cli

    def start(stderr: TextIO, *arguments: object, limit: int = resource.RLIM_INFINITY) -> int:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                signal.signal(signal.SIGINT, signal.default_int_handler)
                sys.argv, sys.stderr, sys.stdout = ["lethe", *map(str, arguments)], stderr, io.StringIO()
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
                cli.main()
            except SystemExit as stopped:
                status = int(stopped.code or 0)
            finally:
                stderr.flush()
                os._exit(status)
        stderr.close()
        return pid

    return start


@pytest.fixture(scope="session")
def scenario() -> Callable[..., Scenario]:
    """Return a builder of small scenarios: the one above with some keys replaced."""

    def build(**changes: Any) -> Scenario:
        return Scenario.parse(SMALL | changes)

    return build


@pytest.fixture
def play(scenario: Callable[..., Scenario], tmp_path: Path) -> Callable[..., Run]:
    """Return a function that runs the small scenario with some keys replaced, and with the audit that proves alone."""

    def run_it(**changes: Any) -> Run:
        return run(scenario(**{"audit": {"counterfactual": True}} | changes), tmp_path / "runs", Watch())

    return run_it


@pytest.fixture(scope="session")
def finished(scenario: Callable[..., Scenario], real_reports: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run with a departure and a deletion; read it, never change it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, real in real_reports.items():
            patch.setattr(name, real)
        return run(scenario(event=[LEAVE, DELETE]), tmp_path_factory.mktemp("runs"), Watch())


@pytest.fixture
def forget_registered() -> Iterator[None]:
    """Let nothing that a test registers be known to the next."""
    yield
    for registry in registries():
        for name in registry.registered:
            registry.loaded.pop(name, None)
        registry.registered.clear()


@pytest.fixture(scope="session")
def forge() -> Callable[[Path], None]:
    """Return a function that makes all hashes of a changed ledger fit again, as somebody could who knows how they are made."""

    def write(folder: Path) -> None:
        store = RunStore(folder)
        here = ""
        for number, journal in store.rows("select round, journal from rounds order by round"):
            here = store.link(number, journal, here)
            store.db.execute("update rounds set chain = ? where round = ?", (here, number))
        for name, body in store.rows("select name, body from audits order by rowid"):
            here = chain.audit_link(here, name, body)
            store.db.execute("update audits set chain = ? where name = ?", (here, name))
        store.set_meta("plan.json", wire.sha256((folder / "plan.json").read_bytes()))
        store.finish()
        store.close()

    return write


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Return a function that puts a shell script in the place of the Python of processes that are started."""

    def put(script: str) -> None:
        path = tmp_path / "process"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))

    return put


@pytest.fixture(scope="session")
def start() -> Callable[[Path], int]:
    """Return a function that resumes a run in a process of its own and returns its pid."""

    def begin(folder: Path) -> int:
        pid = os.fork()
        if pid == 0:
            try:
                resume(folder, Watch())
            finally:
                os._exit(0)
        return pid

    return begin


@pytest.fixture(scope="session")
def kill_after(start: Callable[[Path], int]) -> Callable[[Path, float], bool]:
    """Return a function that resumes a run, kills it after some seconds, and returns whether it was still at work."""

    def kill(folder: Path, seconds: float) -> bool:
        pid = start(folder)
        time.sleep(seconds)
        working = os.waitpid(pid, os.WNOHANG) == (0, 0)
        if working:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        return working

    return kill
