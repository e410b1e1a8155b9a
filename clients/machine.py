"""What of a machine decides the last bits of a result, and what else is to be told of where something was computed.

Sums come out otherwise in their last bits where a processor adds eight numbers at once and not four. So bits repeat between machines on
which torch, BLAS, oneDNN and NumPy take the same instructions, compiled kernels are made for the same processor, and the libraries that
compute are of the same versions; nothing is promised beyond that.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

COMPUTING = ("torch", "numpy", "scipy", "scikit-learn", "numba")
"""The libraries whose versions decide bits."""

OTHERS = ("lethe-federated", "flwr", "ray", "grpcio", "transformers")

DECISIVE = {
    "torch": "instructions of torch",
    "blas": "kernels of BLAS",
    "mkl": "instructions of MKL",
    "onednn": "instructions of oneDNN",
    "numpy": "instructions of NumPy",
    "compiled": "compiled kernels' processor",
}
"""What decides bits beside versions, and what it is called."""

_ONEDNN = (("AVX512_CORE", ("avx512f", "avx512bw", "avx512dq", "avx512vl")), ("AVX2", ("avx2", "fma")), ("SSE41", ()))


@cache
def flags() -> frozenset[str]:
    """Return what the processor can do, as LLVM calls it (``avx2``, ``avx512f``), whatever the environment allows of it."""
    from llvmlite.binding import get_host_cpu_features

    return frozenset(name for name, there in get_host_cpu_features().items() if there)


@cache
def told() -> str:
    """Return `facts` as JSON; they are asked for once a process, when it has settled how many threads work."""
    return json.dumps(facts(), sort_keys=True)


def facts() -> dict[str, Any]:
    """Return what this process computes with.

    The keys of ``DECISIVE`` are texts; ``versions`` holds the versions of libraries by name, ``threads`` numbers of threads; ``processor``
    and ``system`` are for people.
    """
    import torch

    return {
        "torch": torch.backends.cpu.get_cpu_capability(),
        "blas": ", ".join(sorted({f"{one['internal_api']} {one.get('architecture')}" for one in _pools("blas")})) or "none",
        "mkl": _mkl(),
        "onednn": _onednn() if torch.backends.mkldnn.is_available() else "none",  # type: ignore[no-untyped-call]
        "numpy": " ".join(_numpy()) or "baseline",
        "compiled": _compiled(),
        "versions": {"python": platform.python_version(), **dict(_versions())},
        "threads": {"torch": torch.get_num_threads(), **{one["prefix"]: one["num_threads"] for one in _pools("blas")}},
        "processor": _processor("model name") or platform.processor() or platform.machine(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return in words what decides bits and is not the same."""
    found = [f"{what}: {now.get(key)}, not {before.get(key)}" for key, what in DECISIVE.items() if before.get(key) != now.get(key)]
    for name in COMPUTING:
        old, new = before["versions"].get(name), now["versions"].get(name)
        if old != new:
            found.append(f"{name} {new}, not {old}")
    return found


def key() -> str:
    """Return a hash of all that decides bits here: what is remembered on disk is remembered for machines that compute alike."""
    mine = json.loads(told())
    decisive = [[mine[name] for name in DECISIVE], [mine["versions"].get(name) for name in COMPUTING]]
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]


def _pools(kind: str) -> list[dict[str, Any]]:
    import numpy  # noqa: F401  its BLAS is what is asked about
    from threadpoolctl import threadpool_info

    return [one for one in threadpool_info() if one["user_api"] == kind]


def _mkl() -> str:
    """Return what MKL is told to take, and on whose processor, for it takes what it likes where the maker is another than its own."""
    import torch

    if not torch.backends.mkl.is_available():  # type: ignore[no-untyped-call]
        return "none"
    chosen = [f"{name}={os.environ[name]}" for name in ("MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS") if name in os.environ]
    return f"{' '.join(chosen) or 'its own choice'} on {_processor('vendor_id') or 'an unknown processor'}"


def _onednn() -> str:
    """Return the best instructions that oneDNN may take for float32."""
    allowed = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or "ALL"
    names = [name for name, _ in _ONEDNN]
    best = _best()
    capped = next((name for name in names if allowed.upper().startswith(name)), names[0])
    return max(best, capped, key=names.index) if best in names else best


def _best() -> str:
    """Return the widest vectors that the processor has, in oneDNN's words."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return platform.machine()
    return next(name for name, needed in _ONEDNN if flags().issuperset(needed))


def _numpy() -> Iterator[str]:
    """Yield the instruction sets beyond its baseline that NumPy takes."""
    yield from simd()["found"]


def simd() -> dict[str, list[str]]:
    """Return the instruction sets that NumPy was built to take beyond its ``baseline``: ``found`` and allowed here, and ``not found``."""
    import numpy as np

    told: Any = np.show_config(mode="dicts")
    found: dict[str, list[str]] = told["SIMD Extensions"]
    return {name: found.get(name, []) for name in ("baseline", "found", "not found")}


def _compiled() -> str:
    """Return the processor for which Numba compiles."""
    from llvmlite.binding import get_host_cpu_name

    named = os.environ.get("NUMBA_CPU_NAME") or get_host_cpu_name()
    return f"{named} {os.environ['NUMBA_CPU_FEATURES']}".strip() if "NUMBA_CPU_FEATURES" in os.environ else str(named)


def _versions() -> Iterator[tuple[str, str]]:
    for name in (*COMPUTING, *OTHERS):
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue


def _processor(what: str) -> str:
    """Return what the system says of its first processor; nothing where it does not."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(what)), "")
