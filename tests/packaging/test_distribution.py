"""What is installed: the three packages and nothing else, marked as typed, under a name that is free."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from simulator.version import __version__

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Build the wheel of a copy, so that nothing is left in the checkout."""
    source, out = tmp_path_factory.mktemp("source") / "lethe", tmp_path_factory.mktemp("wheel")
    hidden = shutil.ignore_patterns("__pycache__")
    for name in ("clients", "server", "simulator", "experiments", "tests"):
        shutil.copytree(ROOT / name, source / name, ignore=hidden)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    done = subprocess.run([sys.executable, "-c", BUILD, str(out)], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(out / done.stdout.split()[-1])


def test_the_wheel_holds_the_three_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    assert Path(wheel.filename or "").name.startswith(f"lethe_federated-{__version__}-")
    assert {name.partition("/")[0] for name in names} == {"clients", "server", "simulator", f"lethe_federated-{__version__}.dist-info"}
    here = {str(path.relative_to(ROOT)) for room in ("clients", "server", "simulator") for path in (ROOT / room).rglob("*.py")}
    assert here <= set(names)
    assert {f"{room}/py.typed" for room in ("clients", "server", "simulator")} <= set(names)


def test_the_command_is_declared(wheel: zipfile.ZipFile) -> None:
    (entry_points,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert b"lethe = simulator.cli:main" in wheel.read(entry_points)


def test_the_version_is_told_alike_everywhere() -> None:
    assert PROJECT["name"] == "lethe-federated"
    assert PROJECT["version"] == __version__


def test_nothing_that_is_installed_imports_what_is_not() -> None:
    for room in ("clients", "server", "simulator"):
        paths = list((ROOT / room).rglob("*.py"))
        assert paths
        for path in paths:
            assert not re.findall(r"^\s*(?:import|from) (?:experiments|tests)\b", path.read_text(encoding="utf-8"), re.MULTILINE), path


def test_dev_brings_every_extra() -> None:
    extras = PROJECT["optional-dependencies"]
    (own,) = (line for line in extras["dev"] if line.startswith("lethe-federated["))
    assert set(own.removeprefix("lethe-federated[").removesuffix("]").split(",")) == extras.keys() - {"dev"}


def test_a_missing_extra_is_one_line_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from simulator.checkpoints import prompts
    from simulator.errors import LetheError

    monkeypatch.setattr(prompts, "check_complete", lambda checkpoint: None)
    monkeypatch.setattr(prompts, "check_parts", lambda checkpoint: None)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(LetheError, match=r"pip install 'lethe-federated\[checkpoints\]'$"):
        prompts.load_pipeline(None, None, None)  # type: ignore[arg-type]
