"""Compiled functions: where their machine code is kept between runs.

Numba would keep it beside the sources; here it goes to the user's cache folder, in a folder named by the sources' hash, so that a
change in one module never leaves code compiled from another's old version.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba

_SOURCES = Path(__file__).parent
Function = TypeVar("Function", bound=Callable[..., Any])


def _cache_folder() -> str:
    """Return a writable folder for machine code, or nothing where there is none (Numba then looks for one itself)."""
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(_SOURCES.rglob("*kernels*.py")):
        digest.update(source.read_bytes())
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "lethe" / "numba" / digest.hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return ""
    return str(folder)


_SETTINGS: Any = numba.config
if not _SETTINGS.CACHE_DIR:  # NUMBA_CACHE_DIR, where the user has set it, stays in force
    _SETTINGS.CACHE_DIR = _cache_folder()


def compiled(function: Function) -> Function:
    """Compile a function that Python calls to machine code, once for all runs; arithmetic stays that of IEEE 754, in the order written."""
    make: Any = numba.njit(cache=True, error_model="numpy", nogil=True)
    made: Function = make(function)
    return made


def inner(function: Function) -> Function:
    """Compile a function that only compiled functions call: it becomes part of each of them, and has no door for Python."""
    doorless: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    make: Any = numba.njit(error_model="numpy", nogil=True, **doorless)
    made: Function = make(function)
    return made
