"""The Ray cluster behind the engines ``ray`` and ``flower``: one that runs already is joined, else one is started for this process alone.

A started cluster listens on the loopback only, and answers only those who know its token: other machines do not reach it, and other users
of this one are refused. What is private of Ray is touched here and nowhere else.
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
"""How often a cluster is started before that is held against it."""

STORE_BYTES = 2 << 30
"""Upper bound of the object store of a cluster that is started here."""

INLINE_BYTES = 8 << 20
"""Batches up to this size travel in the call itself, where the cluster is started here."""

LONGEST_FOLDER = 40
"""Bytes that the path of Ray's folder may have: names of sockets have at most 107 (103 on macOS), and Ray appends about 60."""

QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""What must be in the environment before Ray is imported."""


@contextmanager
def cluster(spec: EngineSpec) -> Iterator[None]:
    """Join or start a Ray cluster, unless this process is in one already; leave what was joined, end what was started.

    `StoppedError` if nothing answers at ``spec.address``, or if no cluster can be started here.
    """
    os.environ.update(QUIET)
    import ray

    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if spec.address:
        with _sigterm_kept():
            _join(spec.address, **options)
        try:
            yield
        finally:
            ray.shutdown()
        return
    with _short_folder() as folder:
        try:
            with _sigterm_kept():
                _start(num_cpus=spec.width, include_dashboard=False, object_store_memory=_store_bytes(), _temp_dir=folder, **options)
            yield
        finally:
            ray.shutdown()
            _read_authentication()  # so that this process can join other clusters


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Put back what this process does on SIGTERM, where Ray would end it at once, with status 1 and nothing in order."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if callable(before) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _join(address: str, **options: Any) -> None:
    """Join a running cluster."""
    import ray

    try:
        ray.init(address=reachable(address), runtime_env={"env_vars": pinned()} if pinned() else None, **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        what = " ".join(str(error).split())[:300]
        raise StoppedError(f"engine.address = {address!r}: Ray cannot join the cluster: {what}") from None


def _start(**options: Any) -> None:
    """Start a cluster; Ray gives a node half a minute, which a busy machine can miss, so that is tried again."""
    import ray
    from ray._private import ray_constants

    # Workers inherit the environment, but not this process's sys.path. Ray's own helpers outlive a killed driver for as long as they
    # try to reach its cluster again, by default a minute. A batch of replies is faster in the call's own answer than by way of the
    # object store, where Ray puts what is above 100 kB. A node that is told to make no cluster with others takes the loopback's address,
    # on Linux as everywhere else, and then all its processes listen there. The token keeps other users of this machine out.
    inherited = {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
        "RAY_max_direct_call_object_size": str(INLINE_BYTES),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
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
        except Exception as error:  # Ray has no class of its own for it
            ray.shutdown()
            if "timed out during startup" not in str(error):
                raise
            if attempt == STARTS:
                raise StoppedError(f"engine ray: no cluster came up in {STARTS} attempts; end other work first") from error
        else:
            return


def _read_authentication() -> None:
    """Let Ray, which keeps what it once read, read from the environment again whether it needs a token, and which."""
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]  # compiled

    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def _short_folder() -> Iterator[str | None]:
    """Return a folder for Ray's files: None for its own choice, or a passing one where the names of sockets would become too long."""
    from ray._common.utils import get_default_ray_temp_dir

    if len(os.fsencode(get_default_ray_temp_dir())) <= LONGEST_FOLDER:  # type: ignore[no-untyped-call]
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield folder


def _store_bytes() -> int:
    """Return a size of the object store that fits into shared memory, which containers keep small."""
    free = shutil.disk_usage("/dev/shm").free if os.path.isdir("/dev/shm") else STORE_BYTES  # noqa: PTH112
    return max(80 << 20, min(STORE_BYTES, int(free * 0.5)))
