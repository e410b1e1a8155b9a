"""A Ray cluster of several nodes: one joins during a run, one dies with the actors that live on it, and the digest stays."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.scenario import Scenario

pytestmark = pytest.mark.slow

CLUSTER = """
import os, sys
from ray.cluster_utils import Cluster

cluster = Cluster()
place = dict(num_cpus=1, include_dashboard=False)
cluster.add_node(**place)
mortal = cluster.add_node(**place)
print(cluster.address, flush=True)
for command in map(str.strip, sys.stdin):
    if command == "die":
        cluster.remove_node(mortal, allow_graceful=False)
    else:
        os.environ |= {"ATEN_CPU_CAPABILITY": "default"} if command == "join otherwise" else {}
        cluster.add_node(**place)
    print(command, flush=True)
cluster.shutdown()
"""
"""Two nodes with a CPU each, so that each hosts one of two workers; another joins (``join otherwise``: one whose
torch computes otherwise), or the second dies, as told on standard input."""

EVENTS = [
    {"round": 2, "do": "leave", "peers": [4], "erase": True},
    {"round": 3, "do": "delete", "peer": 2, "rows": {"fraction": 0.2}},
]
LONG: dict[str, Any] = {
    "event": EVENTS,
    "audit": {"counterfactual": False},
    "training": {"epochs": 60},
    "distillation": {"epochs": 60},
}


class Nodes:
    """A cluster in a process of its own, which asks for a token, and runs of the command line that know it."""

    def __init__(self, folder: str) -> None:
        self.environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),  # workers import Lethe
            "RAY_TMPDIR": folder,
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # makes nodes listen on the loopback, on Linux too
            "RAY_worker_niceness": "0",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
        }
        self.process = self._start("-c", CLUSTER, stdin=subprocess.PIPE)
        self.address = self._line()

    def _start(self, *arguments: str, **pipes: int) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True, env=self.environment, **pipes)

    def _line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def tell(self, command: str) -> None:
        """Give the cluster a command and wait until it has been obeyed."""
        assert self.process.stdin
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        assert self._line() == command

    def lethe(self, *arguments: str, commands: Mapping[str, str]) -> tuple[int, str, str]:
        """Give a command of Lethe and, whenever a line begins so, the cluster a command; return status, standard output and errors."""
        with self._start("-m", "simulator.cli", *arguments, stderr=subprocess.PIPE) as driver:
            assert driver.stderr
            assert driver.stdout
            told = ""
            for line in driver.stderr:
                told += line
                for beginning, command in commands.items():
                    if line.startswith(beginning):
                        driver.send_signal(signal.SIGSTOP)  # else the run may end while a node starts
                        self.tell(command)
                        driver.send_signal(signal.SIGCONT)
            said = driver.stdout.read()
        return driver.returncode, said, told


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as folder:
        started = Nodes(folder)
        yield started
        assert started.process.poll() is None, "runs leave the cluster running"
        started.process.communicate()


Start = Callable[..., tuple[Path, int, str, str]]


@pytest.fixture
def start(nodes: Nodes, scenario: Callable[..., Scenario], tmp_path: Path) -> Start:
    """Return a function that runs the scenario on the cluster, giving it commands after rounds; it returns folder and ``Nodes.lethe``'s."""
    (tmp_path / "small.toml").write_text(scenario(**LONG).to_toml())

    def run(**after: str) -> tuple[Path, int, str, str]:
        there = ["--engine", "ray", "--workers", "2", "--set", f'engine.address="{nodes.address}"', "--out", str(tmp_path / "there")]
        commands = {f"small: {words.replace('_', ' ')} ": command for words, command in after.items()}
        ended = nodes.lethe("run", str(tmp_path / "small.toml"), *there, "--json", commands=commands)
        (folder,) = (tmp_path / "there").iterdir()
        return folder, *ended

    return run


def test_a_node_that_dies_under_its_peers_changes_nothing(start: Start, play: Callable[..., Run]) -> None:
    folder, status, said, told = start(round_1="join", round_2="die")
    assert status == 0, told
    results = json.loads(said)
    lost = {line.partition(":")[0] for line in results["incidents"]}
    assert lost in ({"peer 0", "peer 2", "peer 4"}, {"peer 1", "peer 3", "peer 5"}), "those of one worker"
    assert results["digest"] == play(**LONG).digest
    assert verify(folder) == []


def test_a_run_that_has_no_room_left_for_its_peers_can_be_resumed(start: Start, nodes: Nodes, play: Callable[..., Run]) -> None:
    folder, status, said, told = start(round_2="die")
    assert (status, said) == (3, ""), told
    last = told.splitlines()[-1]
    assert "each needs 1 CPUs and 0 GPUs, the cluster has {'CPU': 1.0}; lower engine.workers" in last
    assert last.endswith(f"lethe resume {folder}")
    assert nodes.lethe("resume", str(folder), commands={})[0] == 0, "two workers share what is left"
    assert Run(folder).digest == play(**LONG).digest


@pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() == "DEFAULT", reason="this processor has one level")
def test_a_node_that_computes_otherwise_is_refused(start: Start) -> None:
    _, status, said, told = start(round_1="join otherwise", round_2="die")
    assert (status, said) == (3, ""), told
    assert "computes otherwise than the driver" in told.splitlines()[-1]
    assert "instructions of torch: DEFAULT" in told.splitlines()[-1]
    assert 'compute.level = "avx2" or "default"' in told.splitlines()[-1]
