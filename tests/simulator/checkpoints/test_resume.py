"""Killed at any instant, a job taken up again ends with the bytes it would have had."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

INSTANTS = ["after one file", "in the midst of a layer", "before the second entry", "before delivery", "after delivery"]


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(instant: str) -> None:
    """Make this process die at an instant."""
    from simulator.checkpoints import tensors, workshop
    from simulator.checkpoints.journal import Journal

    keep, seen = Journal.keep, {"layer": 0, "file": 0, "heard": 0}

    def counted(self: Journal, kind: str, values: Any) -> None:
        entry = {"before the second entry": ("layer", 1), "after one file": ("file", 1), "while listening": ("heard", 2)}.get(instant)
        if entry == (kind, seen.get(kind, -1)):
            die()
        seen[kind] = seen.get(kind, 0) + 1
        keep(self, kind, values)
        if instant == "before delivery" and "delivering" in values:
            die()

    Journal.keep = counted  # type: ignore[method-assign]
    if instant == "in the midst of a layer":

        def torn(path: Path, entry: tensors.Entry, tensor: object) -> None:
            with path.open("r+b") as file:
                file.seek(entry.first)
                file.write(b"\xff" * ((entry.after - entry.first) // 2))
            die()

        tensors.write = torn  # type: ignore[assignment]
    if instant == "after delivery":
        workshop.shutil.rmtree = die  # type: ignore[assignment]


def killed(instant: str, arguments: tuple[object, ...]) -> None:
    """Run the command in a child that dies at an instant."""
    child = os.fork()
    if not child:
        try:
            from simulator import cli

            arm(instant)
            sys.argv = ["lethe", *map(str, arguments)]
            cli.main()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"it was to die {instant}"
    assert os.WTERMSIG(status) == signal.SIGKILL


@pytest.fixture(scope="module")
def undisturbed(saved: dict[str, Path], pruning: tuple[object, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the outputs of jobs that nobody killed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "key").write_bytes(bytes(range(32)))
    for arguments in (
        ("prune", saved["sharded"], *pruning, "--out", folder / "pruned"),
        ("revive", folder / "pruned", "--out", folder / "revived"),
        ("seal", folder / "pruned", "--key", folder / "key", "--out", folder / "sealed"),
    ):
        child = os.fork()
        if not child:
            from simulator import cli

            sys.argv = ["lethe", *map(str, arguments)]
            try:
                cli.main()
            except SystemExit as stopped:
                os._exit(int(stopped.code or 0))
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
    return folder


@pytest.mark.parametrize(
    ("job", "instant"),
    [
        ("prune", "while listening"),
        *(pytest.param(*pair, marks=pytest.mark.slow) for pair in product(("prune", "revive", "seal"), INSTANTS[:-2])),
        *product(("prune", "revive", "seal"), INSTANTS[-2:]),
    ],
)
def test_same_bytes(
    job: str,
    instant: str,
    undisturbed: Path,
    saved: dict[str, Path],
    pruning: tuple[object, ...],
    lethe: Callable[..., Any],
    tmp_path: Path,
    helpers: Any,
) -> None:
    out = tmp_path / "out"
    arguments: tuple[object, ...] = {
        "prune": ("prune", saved["sharded"], *pruning, "--out", out),
        "revive": ("revive", undisturbed / "pruned", "--out", out),
        "seal": ("seal", undisturbed / "pruned", "--key", undisturbed / "key", "--out", out),
    }[job]
    killed(instant, arguments)
    assert out.exists() == (instant == "after delivery"), "an output under its name is complete"
    said = lethe(*arguments)
    assert said.status == 0, said.err
    expected = undisturbed / {"prune": "pruned", "revive": "revived", "seal": "sealed"}[job]
    assert helpers.tree(out) == helpers.tree(expected)
    if job != "seal":
        assert out.with_name("out.json").read_bytes() == expected.with_name(expected.name + ".json").read_bytes()
    assert not out.with_name("out.part").exists()
    assert lethe(*arguments).status == 2, "a finished output is not made again"


def test_finished_layers_are_not_done_again(
    undisturbed: Path, lethe: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("revive", undisturbed / "pruned", "--out", tmp_path / "out")
    killed("before delivery", arguments)
    monkeypatch.setattr("simulator.checkpoints.adversaries.revive", lambda *_: pytest.fail("all layers were finished"))
    assert lethe(*arguments).status == 0


def test_another_job_does_not_take_up_this_one(undisturbed: Path, lethe: Callable[..., Any], tmp_path: Path, helpers: Any) -> None:
    arguments = ("revive", undisturbed / "pruned", "--out", tmp_path / "out")
    killed("before delivery", arguments)
    before = helpers.tree(tmp_path)
    said = lethe(*arguments, "--keep", 0.5)
    assert said.status == 2
    assert "unfinished job of other settings" in said.err
    assert helpers.tree(tmp_path) == before


def test_another_key_does_not_take_up_this_seal(undisturbed: Path, lethe: Callable[..., Any], tmp_path: Path, helpers: Any) -> None:
    arguments = ("seal", undisturbed / "pruned", "--out", tmp_path / "out", "--key")
    killed("before delivery", (*arguments, undisturbed / "key"))
    journal = b"".join(path.read_bytes() for path in (tmp_path / "out.part").iterdir() if path.is_file())
    assert bytes(range(32)) not in journal
    (tmp_path / "other").write_bytes(bytes(range(1, 33)))
    before = helpers.tree(tmp_path)
    said = lethe(*arguments, tmp_path / "other")
    assert said.status == 2
    assert "begun with another key" in said.err
    assert helpers.tree(tmp_path) == before
    assert lethe(*arguments, undisturbed / "key").status == 0


def test_two_at_once_do_not_mix(undisturbed: Path, lethe: Callable[..., Any], tmp_path: Path) -> None:
    import fcntl

    arguments = ("revive", undisturbed / "pruned", "--out", tmp_path / "out")
    killed("before delivery", arguments)
    with (tmp_path / "out.part" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = lethe(*arguments)
        assert said.status == 2
        assert "another process is at work" in said.err
    assert lethe(*arguments).status == 0


@pytest.mark.slow
def test_a_real_kill_at_a_random_time(planted: Any, lethe: Callable[..., Any], tmp_path: Path, helpers: Any) -> None:
    assert lethe("revive", planted.folder, "--out", tmp_path / "whole").status == 0
    arguments = ["revive", str(planted.folder), "--out", str(tmp_path / "out")]
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-m", "simulator.cli", *arguments])
        deadline = time.monotonic() + 120
        while not (tmp_path / "out.part" / "output").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.4)
        process.kill()
        process.wait()
    said = lethe(*arguments)
    assert said.status == 0 or "exists" in said.err, "or it was quicker than we"
    assert helpers.tree(tmp_path / "out") == helpers.tree(tmp_path / "whole")
