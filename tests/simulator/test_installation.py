"""A file beside a notebook, or in the folder a command starts from, that hides one of our packages is answered in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.installation import shadowed

ROOT = Path(__file__).resolve().parents[2]


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    # as where Lethe is installed: what is beside the notebook comes first
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("stray", ["server.py", "clients.py", "server/__init__.py"])
def test_a_stray_file_is_named_with_the_cure(tmp_path: Path, stray: str) -> None:
    path = tmp_path / stray
    path.parent.mkdir(exist_ok=True)
    path.write_text("app = None\n")
    command = python(tmp_path, "-m", "simulator.cli", "methods")
    assert (command.returncode, command.stdout, command.stderr.count("\n")) == (2, "", 1)
    assert f"lethe: {path} hides Lethe's own package {Path(stray).parts[0].removesuffix('.py')}" in command.stderr
    assert "rename it, move it away, or start from another folder" in command.stderr
    notebook = python(tmp_path, "-c", "from simulator import Scenario")
    assert notebook.returncode == 1
    assert notebook.stderr.splitlines()[-1].startswith(f"ImportError: {path} hides")


def test_a_folder_of_data_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    assert python(tmp_path, "-c", "import simulator").returncode == 0


def test_our_own_are_found_and_a_missing_one_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shadowed() is None
    monkeypatch.setitem(sys.modules, "server", None)
    assert "install lethe-federated again" in str(shadowed())
