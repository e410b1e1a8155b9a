"""Compilation of functions with Numba, and the cache of their machine code.

Numba would cache it beside the sources. Here, the cache is a folder of the user's cache folder, named by a hash of the sources and the
processor, so that no function is linked with outdated code of another module, and all copies of the same sources share it. Compilation
takes seconds to a minute, so that processes that start together, such as a run's workers, wait for each other: the first announces the
compilation of a module, the others read its result.
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
from numba.core.caching import UserProvidedCacheLocator

_SOURCES = Path(__file__).parent
_SETTINGS: Any = numba.config
Function = TypeVar("Function", bound=Callable[..., Any])


def _cache_folder() -> str:
    """Return a writable folder for machine code, or an empty text if there is none; every process then compiles for itself."""
    target = _SETTINGS.CPU_NAME or get_host_cpu_name(), _SETTINGS.CPU_FEATURES or ""
    digest = hashlib.sha256(f"{numba.__version__} {target}".encode())
    kernels = set(_SOURCES.rglob("*kernels*.py"))
    beside = {source for folder in {kernel.parent for kernel in kernels} - {_SOURCES} for source in folder.glob("*.py")}
    for source in sorted(kernels | beside | {_SOURCES / "compiled.py"}):  # layouts and constants of the kernels included
        digest.update(source.read_bytes())
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "lethe" / "numba" / digest.hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return ""
    return str(folder) if os.access(folder, os.W_OK) else ""


class ByPlace(UserProvidedCacheLocator):
    """Where Numba caches kernels of this package: by their place in it, wherever it is installed; it leaves other functions to the next."""

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Any:
        """Return the locator of a kernel of this package, or None."""
        usual: Any = super()
        return usual.from_function(py_func, py_file) if Path(py_file).is_relative_to(_SOURCES) else None

    @classmethod
    def get_suitable_cache_subpath(cls, py_file: str) -> str:
        """Return the name of a kernel's folder in the cache: Numba's own holds a hash of the path."""
        return ".".join(Path(py_file).parent.relative_to(_SOURCES.parent).parts)


_OTHERS = ("UserProvidedCacheLocator", "InTreeCacheLocator", "UserWideCacheLocator", "IPythonCacheLocator", "ZipCacheLocator")

if not _SETTINGS.CACHE_DIR:  # a NUMBA_CACHE_DIR of the user has precedence
    _SETTINGS.CACHE_DIR = _cache_folder()
    _SETTINGS.CACHE_LOCATOR_CLASSES = _SETTINGS.CACHE_LOCATOR_CLASSES or ",".join((f"{__name__}.{ByPlace.__name__}", *_OTHERS))


class _Turns:
    """Reentrant locks on the compilation of a module's kernels, among the threads of all processes that share a cache.

    Threads of one process share one lock, since Numba compiles one function at a time; processes compile different modules side by side.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder) if folder else None
        self._thread = threading.RLock()
        self._held: set[str] = set()

    @contextmanager
    def taken(self, module: str) -> Iterator[None]:
        """Hold the lock of a module; without a cache folder, it concerns only the threads of this process."""
        with self._thread:
            if self._folder is None or module in self._held:
                yield
                return
            file = os.open(self._folder / f"{module}.turn", os.O_RDWR | os.O_CREAT, 0o600)
            self._held.add(module)
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
            finally:
                self._held.discard(module)
                os.close(file)


_TURNS = _Turns(_SETTINGS.CACHE_DIR)
_MODULES: set[str] = set()


class _Word(event.Listener):
    """Announces the compilation of a module's kernels, but not the reading of cached code."""

    def __init__(self, module: str) -> None:
        self.module = module

    def on_start(self, event: object) -> None:
        """Announce it."""
        say(self.module)

    def on_end(self, event: object) -> None:
        """Do nothing."""


def say(module: str) -> None:
    """Announce on standard error, once for each cache folder, that a module's kernels are compiled."""
    if folder := _SETTINGS.CACHE_DIR:
        try:
            os.close(os.open(Path(folder, f"{module}.told"), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError:  # usually because another process was first
            return
    print(f"compiling {module} for this machine: once, for up to some minutes", file=sys.stderr, flush=True)


def say_ahead() -> None:
    """Announce the likely compilation, by processes whose output is not shown, of modules imported here that are not in the cache."""
    for module in sorted(_MODULES):
        if not any(Path(_SETTINGS.CACHE_DIR).rglob(f"{module.rpartition('.')[2]}.*.nbi")):
            say(module)


def compiled(function: Function) -> Function:
    """Compile a function that Python calls, and cache its code; arithmetic is IEEE 754 in the order of the source."""
    make: Any = numba.njit(cache=bool(_SETTINGS.CACHE_DIR), error_model="numpy", nogil=True)
    made: Any = make(function)
    alone = made.compile  # called by Numba for new argument types: it reads cached code, or compiles and caches it
    _MODULES.add(function.__module__)

    def in_turn(signature: Any) -> Any:
        with _TURNS.taken(function.__module__), event.install_listener("numba:compile", _Word(function.__module__)):
            return alone(signature)

    made.compile = in_turn
    known: Function = made
    return known


def inner(function: Function) -> Function:
    """Compile a function that only compiled functions call: it is compiled into each of them, without a wrapper for Python."""
    no_wrappers: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    make: Any = numba.njit(error_model="numpy", nogil=True, **no_wrappers)
    made: Function = make(function)
    return made


def bare(function: Function) -> Function:
    """Compile an inner function that allocates nothing; it counts no references, which would cost more than a short loop."""
    no_wrappers: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "_nrt": False}
    make: Any = numba.njit(error_model="numpy", nogil=True, **no_wrappers)
    made: Function = make(function)
    return made
