"""What engines with processes of their own do when one dies, hangs, or is left behind."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from flwr.app import ConfigRecord, Message, RecordDict

from simulator.engines import ENGINES
from simulator.errors import StoppedError

ENGINE_TABLES = [
    pytest.param({"kind": "ray", "workers": 2}, id="ray"),
    pytest.param({"kind": "grpc", "workers": 4}, id="grpc"),
]


@pytest.fixture(scope="module", params=ENGINE_TABLES)
def engine(request):
    if request.param["kind"] == "ray":
        request.getfixturevalue("ray_cluster")
    spec = ENGINES.load(request.param["kind"])(**request.param)
    with spec.kept():
        yield spec


def ask(grid, kind, peers, timeout=None, **order):
    content = RecordDict({"order": ConfigRecord(order)} if order else {})
    return grid.send_and_receive([Message(content, dst_node_id=peer + 1, message_type=kind) for peer in peers], timeout=timeout)


def pids(grid, peers):
    return [reply.content["who"]["pid"] for reply in ask(grid, "query.hello", peers)]


def is_gone(pid, seconds=300.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def test_killed_worker_is_replaced_and_the_others_keep_their_state(engine, play):
    def body(grid):
        first = pids(grid, range(4))
        assert os.getpid() not in first
        ask(grid, "train.fail", (0, 3))  # leaves a mark in the state of peers 0 and 3
        os.kill(first[0], signal.SIGKILL)  # dies between two messages
        is_gone(first[0])
        between = [reply.error.code if reply.has_error() else None for reply in ask(grid, "query.hello", range(4))]
        during = [reply.error.code if reply.has_error() else None for reply in ask(grid, "train.die", range(4), peer=2)]
        second = pids(grid, range(4))
        marks = ["half" in reply.content["state"]["names"] for reply in ask(grid, "query.state", range(4))]
        return first, between, during, second, marks

    first, between, during, second, marks = play(engine, body, peers=4)
    shared = [pid == first[0] for pid in first]
    assert between == [8 if together else None for together in shared]
    together = [pid == first[2] for pid in first]
    assert during == [8 if lost else None for lost in together]
    assert second[3] == first[3]
    assert second[0] != first[0]
    assert second[2] != first[2]
    assert marks == [False, False, False, True]
    assert all(is_gone(pid) for pid in first + second)


@pytest.mark.slow
def test_late_answers_expire_and_the_next_message_is_answered(engine, play):
    def body(grid):
        pids(grid, range(4))
        for timeout in (1.0, 4.0, 16.0, 64.0):  # a busy machine needs longer for those who do not sleep
            late = ask(grid, "train.nap", range(4), timeout=timeout, peer=1, seconds=600)
            if late[0].has_content() and late[2].has_content():
                break
        again = ask(grid, "train.nap", range(4), timeout=300.0, peer=1, seconds=0.01)
        return late, again

    late, again = play(engine, body, peers=4)
    assert late[1].error.code == 3
    assert late[0].has_content()
    assert late[2].has_content()
    assert all(reply.has_content() for reply in again)


def test_nothing_is_left_after_an_exception(engine, play):
    seen = []

    def body(grid):
        seen.extend(pids(grid, range(3)))
        raise RuntimeError("stop here")

    with pytest.raises(RuntimeError, match="stop here"):
        play(engine, body, peers=3)
    assert seen
    assert all(is_gone(pid) for pid in seen)


DRIVER = """
import sys, time
from flwr.app import Message, RecordDict
from flwr.serverapp import ServerApp
from simulator.engines import ENGINES

app = ServerApp()

@app.main()
def main(grid, context):
    messages = [Message(RecordDict(), dst_node_id=node, message_type="query.hello") for node in (1, 2)]
    print(*(reply.content["who"]["pid"] for reply in grid.send_and_receive(messages)), flush=True)
    time.sleep(600)

ENGINES.load(sys.argv[1])(kind=sys.argv[1], workers=2).play(app, "toy_apps:client", 2)
"""


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_workers_do_not_outlive_their_driver(engine, end):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", DRIVER, engine.kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as driver:
        workers = [int(pid) for pid in driver.stdout.readline().split()]
        family = psutil.Process(driver.pid).children(recursive=True)
        assert len(workers) == 2
        driver.send_signal(end)
        driver.wait(timeout=300)
        error = driver.stderr.read().decode()
    assert all(is_gone(pid) for pid in workers)
    assert all(is_gone(process.pid) for process in family)
    if end == signal.SIGINT:
        assert "KeyboardInterrupt" in error


def test_a_cluster_that_comes_up_too_slowly_is_started_again(without_ray):
    from simulator.engines.ray_cluster import cluster

    starts = []

    def start(**options):
        starts.append(options["address"])
        if len(starts) < 3:
            raise Exception("The current node timed out during startup.")

    without_ray(start)
    with cluster(ENGINES.load("ray")(kind="ray", workers=1)):
        pass
    assert starts == ["local"] * 3


def test_a_cluster_that_cannot_come_up_is_told(without_ray):
    from simulator.engines.ray_cluster import cluster

    def start(**options):
        raise Exception("The current node timed out during startup.")

    without_ray(start)
    with pytest.raises(StoppedError, match="no cluster came up in 4 attempts"), cluster(ENGINES.load("ray")(kind="ray", workers=1)):
        pass


def test_the_death_of_the_process_that_starts_peers_is_told(play):
    spec = ENGINES.load("grpc")(kind="grpc", workers=2)

    def body(grid):
        nursery = spec._fork_server._process.pid
        os.kill(nursery, signal.SIGKILL)
        while True:  # until the peers have noticed, which takes a moment
            ask(grid, "query.hello", range(2))

    with pytest.raises(StoppedError, match=r"the process that starts peers ended \(killed by SIGKILL\)") as error, spec.kept():
        play(spec, body, peers=2)
    assert "\n" not in str(error.value)
