"""The distribution under ``tests/plugin`` is installed where Python looks, and played through the command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.scenarios.scenario import Scenario

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "tests" / "plugin"

TABLES = """
[[peers.main]]
kind = "centroids"
sharpness = 2.0

[topology]
kind = "double_ring"
on_leave = "bridge"

[[event]]
round = 2
do = "blackout"
first = 4

[[event]]
round = 3
do = "leave"
peers = [1]
erase = true

[[event]]
round = 3
do = "delete"
peer = 2
rows = { fraction = 0.2 }
"""


def described(folder: Path) -> Path:
    """Lay the package out as an installer does, without one: the code, and what its ``pyproject.toml`` declares."""
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]
    shutil.copytree(SOURCE / "lethe_example", folder / "lethe_example")
    information = folder / "lethe_example-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"].items()
    lines = [line for group, points in groups for line in (f"[{group}]", *(f"{name} = {target}" for name, target in points.items()))]
    (information / "entry_points.txt").write_text("\n".join(lines))
    return folder


def installed(folder: Path) -> Path:
    """Install the distribution with pip, offline."""
    source = shutil.copytree(SOURCE, folder / "source")
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", folder / "site", source], check=True)
    return folder / "site"


@pytest.mark.slow
@pytest.mark.parametrize("how", [described, installed])
def test_it_is_listed_and_played(how: Callable[[Path], Path], scenario: Callable[..., Scenario], tmp_path: Path) -> None:
    site = how(tmp_path / "plugin")
    path = os.pathsep.join([str(site), str(ROOT)])

    def lethe(*arguments: object) -> str:
        command = [sys.executable, "-m", "simulator.cli", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path})
        assert done.returncode == 0, done.stderr
        return done.stdout

    small = scenario(audit={"counterfactual": True}).to_toml()
    file = tmp_path / "small.toml"
    file.write_text(without_tables(small) + TABLES)
    assert "centroids" in lethe("methods")
    folder = Path(lethe("run", file, "--out", tmp_path / "runs").splitlines()[-1])
    assert lethe("verify", folder)
    results = json.loads((folder / "results.json").read_text())
    assert [one["max_abs_difference"] for one in results["erasures"]] == [0.0, 0.0]
    assert results["accuracy"]["global"]["main"] > 0.3
    assert "lethe-example" in (folder / "report.html").read_text()
    plan = json.loads((folder / "plan.json").read_text())
    assert [len(now["present"]) for now in plan["timeline"]["rounds"]] == [6, 4, 5, 5]


def without_tables(text: str) -> str:
    """Return the small scenario without the tables that the plugin's replace."""
    import tomli_w

    content = tomllib.loads(text)
    del content["peers"]["main"], content["topology"], content["engine"]
    content.pop("event", None)
    return str(tomli_w.dumps(content))
