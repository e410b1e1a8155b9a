"""Compiled functions: where their machine code is kept between runs, and who makes it.

Numba would keep it beside the sources; here it goes to the user's cache folder, in a folder named by the hash of the sources and of the
processor, so that a change in one module never leaves code compiled from another's old version. Compiling takes seconds to a minute, so
processes that start together (a run's workers) take turns: the first says that it compiles, the others read what it has kept.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numba
from llvmlite.binding import get_host_cpu_name
from numba.core import event

_SOURCES = Path(__file__).parent
_SETTINGS: Any = numba.config
Function = TypeVar("Function", bound=Callable[..., Any])


def _cache_folder() -> str:
    """Return a writable folder for machine code, or nothing where there is none: the code is then made anew by every process."""
    target = _SETTINGS.CPU_NAME or get_host_cpu_name(), _SETTINGS.CPU_FEATURES or ""
    digest = hashlib.sha256(f"{numba.__version__} {target}".encode())
    folders = {source.parent for source in _SOURCES.rglob("*kernels*.py")}
    for source in sorted(source for folder in folders for source in folder.glob("*.py")):  # layouts and numbers stand beside the kernels
        digest.update(source.read_bytes())
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "lethe" / "numba" / digest.hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return ""
    return str(folder) if os.access(folder, os.W_OK) else ""


if not _SETTINGS.CACHE_DIR:  # NUMBA_CACHE_DIR, where the user has set it, stays in force
    _SETTINGS.CACHE_DIR = _cache_folder()


class _Turn:
    """The right to compile: one thread of one process has it, and may take it again while it does."""

    def __init__(self, folder: str) -> None:
        self._path = Path(folder, "turn") if folder else None
        self._thread = threading.RLock()
        self._depth = 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Have the turn; without a folder to share there is nothing to wait for."""
        with self._thread:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600) if self._path and not self._depth else None
            self._depth += 1
            try:
                if file is not None:
                    fcntl.flock(file, fcntl.LOCK_EX)
                yield
            finally:
                self._depth -= 1
                if file is not None:
                    os.close(file)


_TURN = _Turn(_SETTINGS.CACHE_DIR)
_MODULES: set[str] = set()


class _Word(event.Listener):
    """Says that kernels of a module are compiled, when they are: not where kept code is read."""

    def __init__(self, module: str) -> None:
        self.module = module

    def on_start(self, event: object) -> None:
        """Say it."""
        say(self.module)

    def on_end(self, event: object) -> None:
        """Say nothing more."""


def say(module: str) -> None:
    """Say on standard error, once for each folder of kept code, that a module's kernels are compiled."""
    if folder := _SETTINGS.CACHE_DIR:
        try:
            os.close(os.open(Path(folder, f"{module}.told"), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError:  # mostly: another process was first
            return
    print(f"compiling {module} for this machine: once, for up to some minutes", file=sys.stderr, flush=True)


def say_ahead() -> None:
    """Say what is likely to be compiled by processes that nobody hears, for the modules imported here of which there is no kept code."""
    for module in sorted(_MODULES):
        if not any(Path(_SETTINGS.CACHE_DIR).rglob(f"{module.rpartition('.')[2]}.*.nbi")):
            say(module)


def compiled(function: Function) -> Function:
    """Compile a function that Python calls to machine code, once for all runs; arithmetic stays that of IEEE 754, in the order written."""
    make: Any = numba.njit(cache=bool(_SETTINGS.CACHE_DIR), error_model="numpy", nogil=True)
    made: Any = make(function)
    alone = made.compile  # what Numba calls for types it has not met: it reads kept code, or compiles and keeps
    _MODULES.add(function.__module__)

    def in_turn(signature: Any) -> Any:
        with _TURN.taken(), event.install_listener("numba:compile", _Word(function.__module__)):
            return alone(signature)

    made.compile = in_turn
    known: Function = made
    return known


def inner(function: Function) -> Function:
    """Compile a function that only compiled functions call: it becomes part of each of them, and has no door for Python."""
    doorless: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    make: Any = numba.njit(error_model="numpy", nogil=True, **doorless)
    made: Function = make(function)
    return made


def bare(function: Function) -> Function:
    """Compile an inner function that makes no array and no list: it counts no references, which would cost more than short loops do."""
    doorless: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "_nrt": False}
    make: Any = numba.njit(error_model="numpy", nogil=True, **doorless)
    made: Function = make(function)
    return made
