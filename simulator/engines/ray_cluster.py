"""The Ray cluster of the engines ``ray`` and ``flower``: a running cluster is joined, or one is started for this process alone.

A started cluster listens on the loopback interface only and requires a token: other machines cannot reach it, and other users of this
machine are refused. This is the only module that uses Ray's private interfaces.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

from simulator.engines.ray_address import reachable
from simulator.errors import StoppedError
from simulator.levels import pinned

if TYPE_CHECKING:
    from simulator.engines import EngineSpec

STARTS = 4
"""Number of attempts to start a cluster."""

STORE_BYTES = 2 << 30
"""Upper bound of the object store's size, in bytes, if the cluster is started here."""

INLINE_BYTES = 8 << 20
"""Batches up to this size are sent in the call itself, if the cluster is started here."""

LONGEST_FOLDER = 40
"""Longest path of Ray's folder, in bytes: socket paths have at most 107 (103 on macOS), and Ray appends about 60."""

QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""Environment variables that must be set before Ray is imported."""


@contextmanager
def cluster(spec: EngineSpec) -> Iterator[None]:
    """Join or start a Ray cluster, unless this process is in one already; at the end, leave or stop it.

    `StoppedError` if nothing answers at ``spec.address``, or if no cluster can be started here.
    """
    os.environ.update(QUIET)
    import ray

    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if spec.address:
        with _sigterm_kept(), _silent():
            _join(spec.address, **options)
        try:
            yield
        finally:
            ray.shutdown()
        return
    with _short_folder() as folder:
        try:
            with _sigterm_kept(), _silent():
                _start(num_cpus=spec.width, include_dashboard=False, object_store_memory=_store_bytes(), _temp_dir=folder, **options)
            yield
        finally:
            ray.shutdown()
            _read_authentication()  # so that this process can join other clusters


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Restore this process's SIGTERM handler, since Ray's would end it at once, with status 1 and without cleanup."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if callable(before) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


@contextmanager
def _silent() -> Iterator[None]:
    """Keep Ray from starting the thread that prints what goes wrong on its nodes, pages of it, to standard output.

    What matters of it reaches the engine as an error of a call, and standard output holds what a run says.
    """
    from ray._private import worker

    with mock.patch.object(worker, "listen_error_messages"):
        yield


def _join(address: str, **options: Any) -> None:
    """Join a running cluster."""
    import ray

    try:
        ray.init(address=reachable(address), runtime_env={"env_vars": pinned()} if pinned() else None, **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        what = " ".join(str(error).split())[:300]
        raise StoppedError(f"engine.address = {address!r}: Ray cannot join the cluster: {what}") from None


def _start(**options: Any) -> None:
    """Start a cluster; Ray waits half a minute for a node, which can be too short on a busy machine, so it is retried."""
    import ray
    from ray._private import ray_constants

    # Workers inherit the environment, but not this process's sys.path. Ray's helper processes outlive a killed driver for as long as
    # they try to reconnect to its cluster, by default a minute. A batch of replies is faster inside the call's result than through the
    # object store, which Ray uses above 100 kB. A node that may not form a cluster with others uses the loopback address, on Linux as
    # everywhere else, and then all its processes listen there. The token keeps other users of this machine out. Ray starts workers at
    # niceness 15, at which they starve beside one busy process; here they are the work itself.
    inherited = {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
        "RAY_max_direct_call_object_size": str(INLINE_BYTES),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_worker_niceness": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
    }
    for attempt in range(1, STARTS + 1):
        try:
            with mock.patch.dict(os.environ, inherited), mock.patch.object(ray_constants, "ENABLE_RAY_CLUSTER", False):
                _read_authentication()
                ray.init(address="local", **options)
        except OSError as error:
            ray.shutdown()
            raise StoppedError(f"engine ray: no cluster can be started ({' '.join(str(error).split())}); make room or access") from None
        except Exception as error:  # Ray has no specific class for a startup timeout
            ray.shutdown()
            if "timed out during startup" not in str(error):
                raise
            if attempt == STARTS:
                raise StoppedError(f"engine ray: no cluster came up in {STARTS} attempts; end other work first") from error
        else:
            return


def _read_authentication() -> None:
    """Make Ray, which caches its settings, read from the environment again whether it needs a token, and which."""
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]  # compiled

    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def _short_folder() -> Iterator[str | None]:
    """Yield a folder for Ray's files: None for Ray's default, or a temporary folder if socket paths would become too long."""
    from ray._common.utils import get_default_ray_temp_dir

    if len(os.fsencode(get_default_ray_temp_dir())) <= LONGEST_FOLDER:  # type: ignore[no-untyped-call]
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield folder


def _store_bytes() -> int:
    """Return a size of the object store, in bytes, that fits into shared memory, which is small in containers."""
    free = shutil.disk_usage("/dev/shm").free if os.path.isdir("/dev/shm") else STORE_BYTES  # noqa: PTH112
    return max(80 << 20, min(STORE_BYTES, int(free * 0.5)))
