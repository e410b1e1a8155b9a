"""Machine code is made once for all processes, and kept away from the sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clients.unlearning.exact import compiled
from clients.unlearning.exact.statistical.kmeans_kernels import nearest

ROOT = Path(__file__).resolve().parents[4]

WORKER = """
from clients.unlearning.exact.compiled import compiled

@compiled
def added(a, b):
    return a + b

@compiled
def twice(a):
    return added(a, a)

assert twice(3) == 6
print(sum(twice.stats.cache_misses.values()))
"""


def start(folder: Path, cache: Path, **options: Any) -> subprocess.Popen[str]:
    """Start a process that compiles two functions, one of which calls the other."""
    (folder / "worker.py").write_text(WORKER)
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    environment |= {"XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, str(folder / "worker.py")], env=environment, stdout=subprocess.PIPE, text=True, **options)


def answers(workers: list[subprocess.Popen[str]]) -> list[int]:
    """Return how often each process had to compile what Python called."""
    told = [worker.communicate(timeout=120)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * len(workers)
    return [int(line) for line in told]


def test_of_processes_that_start_together_one_compiles(tmp_path: Path) -> None:
    assert sorted(answers([start(tmp_path, tmp_path / "cache") for _ in range(3)])) == [0, 0, 1]
    assert list((tmp_path / "cache").rglob("*.nbc"))
    assert not list(tmp_path.glob("__pycache__/*.nb?"))


def test_who_compiles_says_so_once(tmp_path: Path) -> None:
    said = [start(tmp_path, tmp_path / "cache", stderr=subprocess.PIPE).communicate(timeout=120)[1] for _ in range(2)]
    assert said == ["compiling __main__ for this machine: once, for up to some minutes\n", ""]


def test_where_nothing_can_be_kept_it_works_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, where a folder is needed")
    assert answers([start(tmp_path, tmp_path / "cache")]) == [1]
    assert not list(tmp_path.rglob("*.nb?"))


def test_machine_code_is_that_of_the_kernels_and_of_what_lies_beside_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = Path(shutil.copytree(compiled._SOURCES, tmp_path / "exact", ignore=shutil.ignore_patterns("__pycache__")))
    monkeypatch.setattr(compiled, "_SOURCES", copy)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = compiled._cache_folder()
    changed = {}
    for name in ("sharding.py", "hash_kernels.py", "compiled.py", "dare/grove.py", "dare/tree_kernels.py"):
        text = (copy / name).read_text()
        (copy / name).write_text(text + "\n")
        changed[name] = compiled._cache_folder() != before
        (copy / name).write_text(text)
    assert changed.pop("sharding.py") is False, "it has no kernel"
    assert all(changed.values())
    assert compiled._cache_folder() == before


def test_copies_of_the_sources_share_machine_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel: Any = nearest
    assert Path(kernel.stats.cache_path).name == "exact.statistical", "Numba keeps it where it is told"
    here = compiled.ByPlace.get_suitable_cache_subpath(str(compiled._SOURCES / "statistical" / "kmeans_kernels.py"))
    monkeypatch.setattr(compiled, "_SOURCES", tmp_path / "exact")
    (tmp_path / "exact" / "statistical").mkdir(parents=True)
    copy = tmp_path / "exact" / "statistical" / "kmeans_kernels.py"
    copy.touch()
    assert compiled.ByPlace.get_suitable_cache_subpath(str(copy)) == here == "exact.statistical"
    assert compiled.ByPlace.from_function(kernel.py_func, str(copy)) is not None
    assert compiled.ByPlace.from_function(kernel.py_func, __file__) is None, "what is not of this package is told apart by its path"
