"""Clusters that the engine starts: nobody else reaches them; and addresses at which there is none."""

import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import grpc
import psutil
import pytest

from simulator.engines import ENGINES, ray_address
from simulator.engines.ray_cluster import LONGEST_FOLDER, cluster
from simulator.errors import StoppedError

LOOPBACK = ("127.", "::1", "::ffff:127.")
RAY = ENGINES.load("ray")(kind="ray", workers=1)


def listening() -> dict[str, list[str]]:
    """Return the addresses at which this process and all that it has started listen, by the name of the process."""
    found: dict[str, list[str]] = {}
    own = psutil.Process()
    for process in [own, *own.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):  # it has just ended
            sockets = [one.laddr.ip for one in process.net_connections(kind="inet") if one.status == psutil.CONN_LISTEN]
            found.setdefault(process.name(), []).extend(sockets)
    return found


@pytest.fixture
def started(ray_cluster):
    import ray

    class Actor:
        def pid(self) -> int:
            return os.getpid()

    actor = ray.remote(Actor).remote()
    ray.get(actor.pid.remote())
    yield ray.get_runtime_context().gcs_address
    ray.kill(actor)


def test_every_socket_of_a_started_cluster_is_on_the_loopback(started):
    found = listening()
    assert {"gcs_server", "raylet"} <= set(found), "the test sees the cluster's processes"
    assert sum(map(len, found.values())) >= 5
    assert all(ip.startswith(LOOPBACK) for ips in found.values() for ip in ips), found


def test_workers_have_the_priority_of_the_process_that_started_them(ray_cluster):
    import ray

    niceness = ray.get(ray.remote(lambda: os.nice(0)).remote())
    assert niceness == os.nice(0), "Ray's own 15 would let them starve beside one busy process"


def test_ray_does_not_print_what_happens_to_its_nodes(ray_cluster):
    from ray._private.worker import global_worker

    assert not global_worker.listener_thread.is_alive(), "it would write to standard output, which programs read"


@pytest.mark.parametrize("kind", ["flower", "grpc", "ray"])
def test_no_engine_listens_beyond_the_loopback(kind, play, ray_cluster):
    found = play(ENGINES.load(kind)(kind=kind, workers=1), lambda grid: listening(), peers=2)
    assert all(ip.startswith(LOOPBACK) for ips in found.values() for ip in ips), found
    assert kind != "grpc" or sum(map(len, found.values())) >= 3


def test_an_open_socket_would_be_seen():
    with socket.create_server(("0.0.0.0", 0)):
        assert "0.0.0.0" in listening()[psutil.Process().name()]


def test_a_stranger_on_this_machine_is_refused(started):
    code = f"from simulator.engines import ray_address; print(ray_address._problem({started!r}, False))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True).stdout
    assert "wants a token" in said
    assert ray_address._problem(started, False) is None, "this process knows it"


def test_nothing_of_the_token_stays_in_the_environment(started):
    assert not [name for name in os.environ if name.startswith("RAY_AUTH")]


@pytest.fixture
def nobody():
    """The address of a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"127.0.0.1:{port}"


@pytest.mark.parametrize("client", ["", "ray://"])
def test_an_address_without_a_cluster_is_one_line(nobody, client, monkeypatch):
    monkeypatch.setattr(ray_address, "SECONDS", 0.5)
    with pytest.raises(StoppedError, match=r"engine.address = '.*': nothing that is a Ray cluster answers") as error:
        ray_address.reachable(client + nobody)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("address", ["rubbish", "auto", "ray://", "ray://here", "127.0.0.1:x", "127.0.0.1:99999", "a.invalid:1"])
def test_an_address_that_means_nothing_is_one_line(address, monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("ray._private.services.find_gcs_addresses", set)  # the tests' own cluster is not to be found
    with pytest.raises(StoppedError, match=r"engine\.address"):
        ray_address.reachable(address)


def test_another_server_is_no_cluster():
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        assert "no Ray cluster (UNIMPLEMENTED" in str(ray_address._problem(f"127.0.0.1:{port}", False))
    finally:
        server.stop(0).wait()


def test_a_server_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(ray_address, "SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert "nothing that is a Ray cluster" in str(ray_address._problem(f"127.0.0.1:{server.getsockname()[1]}", False))


def test_who_waits_for_a_cluster_hears_signals():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        code = (
            "from simulator.engines import ray_address\n"
            "ray_address.SECONDS = 600.0\n"
            "import ray._private.grpc_utils\n"
            "print('up', flush=True)\n"
            f"ray_address.reachable('ray://127.0.0.1:{silent.getsockname()[1]}')\n"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) as waiting:
            assert waiting.stdout.readline() == b"up\n"
            silent.accept()[0].close()  # the first question; the second is gRPC's
            silent.accept()
            waiting.send_signal(signal.SIGTERM)
            assert waiting.wait(timeout=300) == -signal.SIGTERM


def test_a_long_folder_is_replaced_by_a_short_one(without_ray, monkeypatch, tmp_path):
    folders = []
    without_ray(lambda **options: folders.append(options["_temp_dir"]))
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    for folder in (tmp_path / ("x" * 100), "/tmp"):
        monkeypatch.setenv("TMPDIR", str(folder))
        with cluster(RAY):
            assert folders[-1] is None or os.path.isdir(folders[-1])  # noqa: PTH112
    assert folders[0].startswith("/tmp/ray")
    assert len(folders[0]) <= LONGEST_FOLDER
    assert not os.path.exists(folders[0])  # noqa: PTH110
    assert folders[1] is None


@pytest.mark.slow
def test_a_cluster_starts_where_the_path_is_long(tmp_path):
    long = tmp_path / ("x" * 141)
    long.mkdir()
    code = (
        "from simulator.engines import ENGINES\n"
        "from simulator.engines.ray_cluster import cluster\n"
        "with cluster(ENGINES.load('ray')(kind='ray', workers=1)):\n"
        "    import ray; print(ray.cluster_resources()['CPU'])\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TMPDIR": str(long)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout) == (0, "1.0\n"), done.stderr


def test_a_folder_that_cannot_be_written_is_one_line(without_ray):
    def start(**options):
        raise PermissionError(13, "Permission denied", "/tmp/ray")

    without_ray(start)
    with pytest.raises(StoppedError, match=r"no cluster can be started .*/tmp/ray") as error, cluster(RAY):
        pass
    assert "\n" not in str(error.value)
