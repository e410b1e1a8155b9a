"""The same scenario gives the same digest on every engine, whatever dies on the way."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from simulator.runner import run
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.scenario import Scenario

EVENTS = [
    {"round": 2, "do": "leave", "peers": [4], "erase": True},
    {"round": 3, "do": "delete", "peer": 2, "rows": {"fraction": 0.2}},
    {"round": 3, "do": "arrive", "peers": [2, 5], "rows": {"fraction": 0.2}},
    {"round": 3, "do": "crash", "peers": [1], "phase": "after_sending"},
    {"round": 3, "do": "offline", "peers": [0], "rounds": 1},
    {"round": 4, "do": "rejoin", "peers": [4]},
]
QUIET: dict[str, Any] = {"event": EVENTS, "audit": {"counterfactual": False}}
Play = Callable[..., Run]


@pytest.fixture(scope="module")
def digest(scenario: Callable[..., Scenario], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest on the inline engine."""
    return run(scenario(**QUIET), tmp_path_factory.mktemp("inline")).digest


@pytest.mark.parametrize(
    "engine",
    [
        pytest.param({"kind": "ray", "workers": 1}, id="ray-1", marks=pytest.mark.slow),
        pytest.param({"kind": "ray", "workers": 2}, id="ray-2"),
        pytest.param({"kind": "grpc"}, id="grpc"),
        pytest.param({"kind": "flower", "workers": 2}, id="flower-2"),
    ],
)
def test_every_engine_gives_the_digest_of_inline(play: Play, digest: str, engine: dict[str, Any]) -> None:
    run = play(**QUIET, engine=engine)
    assert run.digest == digest
    assert verify(run.folder) == []


def ray_workers() -> list[psutil.Process]:
    return [
        process for process in psutil.Process().children(recursive=True) if "ray::Worker" in process.name() + "".join(process.cmdline())
    ]


def grpc_peers() -> list[psutil.Process]:
    """Return the peers' processes: what the process that forks them has forked."""
    fork_servers = [process for process in psutil.Process().children() if "simulator.engines.grpc_fork_server" in process.cmdline()]
    return [peer for fork_server in fork_servers for peer in fork_server.children()]


@contextmanager
def assassin(find: Callable[[], list[psutil.Process]], kills: int, runs: Path) -> Iterator[list[int]]:
    """Kill that many workers at random moments once a second run is under way in ``runs``; yield the list of the killed."""
    killed: list[int] = []
    over = threading.Event()
    chance = random.Random(2308)

    def hunt() -> None:
        while len(killed) < kills and not over.is_set():
            time.sleep(0.1 + 0.5 * chance.random())
            with suppress(psutil.Error, ProcessLookupError):  # it may end by itself while we look
                if (victims := find()) and next(runs.glob("*-2/artefacts/*"), None):
                    victim = chance.choice(victims)
                    os.kill(victim.pid, signal.SIGKILL)
                    killed.append(victim.pid)

    thread = threading.Thread(target=hunt)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


LONGER = {"training": {"epochs": 60}, "distillation": {"epochs": 60}}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "find"),
    [({"kind": "ray", "workers": 2}, ray_workers), ({"kind": "grpc"}, grpc_peers)],
)
def test_killed_workers_change_nothing(
    play: Play, tmp_path: Path, engine: dict[str, Any], find: Callable[[], list[psutil.Process]]
) -> None:
    whole = play(**QUIET, **LONGER)
    with assassin(find, 3, tmp_path / "runs") as killed:
        run = play(**QUIET, **LONGER, engine=engine)
    assert killed, "the control: somebody was killed"
    assert run.digest == whole.digest
    assert run.results["incidents"]
    assert verify(run.folder) == []


HOST = "import ray, sys; print(ray.init(num_cpus=2, include_dashboard=False).address_info['gcs_address'], flush=True); sys.stdin.read()"


@pytest.mark.slow
def test_a_running_ray_cluster_is_joined_and_left_running(play: Play, digest: str) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}  # the cluster's workers import Lethe
    host = subprocess.Popen([sys.executable, "-c", HOST], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert host.stdout
        address = host.stdout.readline().strip()
        run = play(**QUIET, engine={"kind": "ray", "workers": 2, "address": address})
        assert run.digest == digest
        assert host.poll() is None
        assert play(**QUIET, engine={"kind": "ray", "workers": 1, "address": address}).digest == digest
    finally:
        host.communicate()
