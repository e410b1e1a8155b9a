"""Pinned vector levels: the environment in which every library that computes takes the same instructions.

Libraries read it when they are loaded, so that a run with a pinned level needs a process that was started with it, as do its workers.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Mapping
from typing import NoReturn

from clients.compute import Level

_COMMON: Mapping[Level, Mapping[str, str]] = {
    "default": {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_CBWR": "COMPATIBLE",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "OPENBLAS_CORETYPE": "Nehalem",
        "NUMBA_CPU_NAME": "nehalem",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4",  # else the C library's exp and log take what the processor has
    },
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_CBWR": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "NUMBA_CPU_NAME": "haswell",
    },
    "avx512": {
        "ATEN_CPU_CAPABILITY": "avx512",
        "MKL_CBWR": "AVX512",
        "MKL_ENABLE_INSTRUCTIONS": "AVX512",
        "ONEDNN_MAX_CPU_ISA": "AVX512_CORE",
        "OPENBLAS_CORETYPE": "SkylakeX",
        "NUMBA_CPU_NAME": "skylake-avx512",
    },
}

_NEEDED: Mapping[Level, frozenset[str]] = {
    "default": frozenset(),
    "avx2": frozenset({"avx2", "fma"}),
    "avx512": frozenset({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}),
}

_BEYOND: Mapping[Level, tuple[str, ...]] = {
    "default": ("AVX", "FMA", "F16C", "XOP", "X86_V3", "X86_V4"),
    "avx2": ("AVX512", "X86_V4"),
    "avx512": ("AVX512_",),
}
"""How the names of NumPy's instruction sets begin that a level leaves out."""

_KEPT = ("AVX512_SKX",)
"""What older NumPy calls the level ``avx512`` itself."""


def unsupported(level: Level | None) -> str | None:
    """Return why this machine cannot work at a level, in one line with the cure, or None."""
    from clients.machine import flags

    if level is None:
        return None
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return f"level = {level!r} is of x86 processors, and this one is {platform.machine()}: leave the key out"
    if flags() >= _NEEDED[level]:
        return None
    able = [name for name, needed in _NEEDED.items() if flags() >= needed]
    return f"level = {level!r}: this processor cannot do that: take one of {', '.join(able)}"


def environment(level: Level) -> dict[str, str]:
    """Return the variables that pin a level, with their values."""
    values = dict(_COMMON[level])
    values["NUMBA_CPU_FEATURES"] = ""  # those of the named processor, and not this one's
    values["NPY_DISABLE_CPU_FEATURES"] = " ".join(_disabled(level))
    values["NPY_ENABLE_CPU_FEATURES"] = ""  # NumPy refuses both at once
    return values


def _disabled(level: Level) -> Iterator[str]:
    """Yield the instruction sets that NumPy is to leave alone."""
    from clients.machine import simd

    names = simd()["found"] + simd()["not found"]  # what a level has disabled is not found
    yield from (name for name in sorted(names) if name.startswith(_BEYOND[level]) and name not in _KEPT)


def in_force(level: Level | None) -> bool:
    """Return whether this process was started at a level; without one, any will do."""
    return level is None or all(os.environ.get(name) == value for name, value in environment(level).items())


def pinned() -> dict[str, str]:
    """Return the variables of the level at which this process was started, none if at none: what workers elsewhere must be started with."""
    return next((environment(level) for level in _COMMON if in_force(level)), {})


def start_again_at(level: Level | None) -> None:
    """Start this program anew, with its arguments, where a level is asked for and not in force; returns where it is."""
    if level is not None and unsupported(level) is None and not in_force(level):
        _replace_process({**os.environ, **environment(level)})


def _replace_process(environment: Mapping[str, str]) -> NoReturn:
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], dict(environment))
