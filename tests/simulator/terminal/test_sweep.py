"""``lethe sweep`` as somebody at a keyboard meets it: exit statuses, outputs, and bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from simulator import Scenario, resolve
from simulator.errors import StoppedError
from simulator.sweeps import playing
from tests.simulator.terminal.conftest import Ended
from tests.tiny import TINY

REFUSE = {"round": 1, "do": "refuse", "peers": [0]}
LEAVE = {"round": 3, "do": "leave", "peers": [1], "erase": True}
ERASED = TINY | {"name": "tiny", "rounds": 3, "event": [LEAVE], "audit": {"counterfactual": False}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(Scenario.parse(ERASED).to_toml())
    return path


def test_the_worst_run_decides_the_exit_status_and_programs_read_the_rest(file: Path, lethe: Callable[..., Ended], tmp_path: Path) -> None:
    """A holder refuses to delete the leaver's seed in the first variant, in the second somebody who holds none: one run is disproved."""
    junit, out = tmp_path / "cases.xml", tmp_path / "out"
    file.write_text(Scenario.parse(ERASED | {"event": [LEAVE, REFUSE]}).to_toml())
    status, told, err = lethe("sweep", file, "--vary", "event.1.peers=[[0], [1]]", "--out", out, "--json", "--junit", junit)
    found = json.loads("\n".join(told))
    assert status == 1
    assert err[-1].startswith("verdict: disproved: event.1.peers = [0], seed 0: ")
    assert (found["name"], found["seeds"], found["verdict"]["name"]) == ("tiny", [0], "disproved")
    assert [one["verdict"]["name"] for one in found["runs"]] == ["disproved", "measured"]
    assert [one["variant"] for one in found["runs"]] == [{"event.1.peers": "[0]"}, {"event.1.peers": "[1]"}]
    assert {"variant": {"event.1.peers": "[1]"}, "measure": "accuracy.global.main", "unit": "share"}.items() <= found["table"][3].items()
    suites = ElementTree.parse(junit).findall("testsuite")
    assert [(suite.get("name"), suite.get("failures")) for suite in suites] == [
        ("event.1.peers = [0], seed 0", "1"),
        ("event.1.peers = [1], seed 0", "0"),
    ]
    # the control: the second alone, taken as it is
    status, told, err = lethe("sweep", file, "--set", "event.1.peers=[1]", "--seeds", "0:1", "--out", out)
    assert (status, err) == (0, ["tiny: run 1 of 1: seed 0: measured", "verdict: measured: 1 of 1 runs measured"])
    assert Path(told[-1]).parent == out
    assert any("accuracy.global.main (share)" in line for line in told)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "an empty sweep: give seeds (--seeds 0:5), values of a key"),
        (["--seeds", "3:3"], "--seeds 3:3: there is no seed in it"),
        (["--seeds", "five"], "--seeds five: is no range of seeds"),
        (["--seeds", "0:20000"], "more than 10000"),
        (["--vary", "training.epochs=[]"], "vary training.epochs: has no values"),
        (["--vary", "training.epochs=3"], "is no key with a list of values"),
        (["--vary", "seed=[1, 2]"], "vary seed: "),
        (["--vary", "training.epohcs=[1, 2]"], "epohcs"),
        (["--vary", "engine.workers=[1, 2]"], "are the same run"),
        (["--seeds", "0:2", "-j", "0"], "jobs = 0: is no number of runs"),
        (["--seeds", "0:2", "--set", "rounds=0"], "rounds"),
        (["--seeds", "0:2", "--junit", "/nowhere/cases.xml"], "there is no folder"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    file: Path, lethe: Callable[..., Ended], arguments: list[str], said: str, tmp_path: Path
) -> None:
    status, out, err = lethe("sweep", file, "--out", tmp_path / "out", *arguments)
    assert (status, out, len(err)) == (2, [], 1), err
    assert said in err[0]
    assert list(tmp_path.iterdir()) == [file]


def test_a_place_where_no_directory_can_be_is_refused(file: Path, lethe: Callable[..., Ended], tmp_path: Path) -> None:
    status, out, err = lethe("sweep", file, "--seeds", "0:1", "--out", file)
    assert (status, out) == (2, [])
    assert err == [f"lethe: {file}: no directory of a sweep can be made there (Not a directory): give another folder with --out"]


def test_what_stops_a_run_is_told_and_ends_with_its_status(
    file: Path, lethe: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = playing.resume

    def full(folder: Path, watch: Any) -> Any:
        if folder.name == stopped:
            raise StoppedError(f"{folder}: no room")
        return real(folder, watch)

    stopped = resolve(Scenario.load(file)).stem
    with monkeypatch.context() as patch:
        patch.setattr(playing, "resume", full)
        status, out, err = lethe("sweep", file, "--seeds", "0:2", "--out", tmp_path / "out", "--junit", tmp_path / "cases.xml")
    folder = Path(out[-1])
    assert status == 3
    suites = {suite.get("name"): suite for suite in ElementTree.parse(tmp_path / "cases.xml").iter("testsuite")}
    assert {name: suite.get("errors") for name, suite in suites.items()} == {"seed 0": "1", "seed 1": "0"}
    assert [one.get("message") for one in suites["seed 0"].iter("error")] == [f"{folder}/runs/{stopped}: no room"]
    assert err[-2:] == [f"seed 0: {folder}/runs/{stopped}: no room", "verdict: measured: 1 of 2 runs measured; 1 of 2 runs not finished"]

    def interrupted(folder: Path, watch: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(playing, "resume", interrupted)
        status, out, err = lethe("sweep", file, "--seeds", "5:6", "--out", tmp_path / "out")
    assert (status, out, err) == (130, [], ["interrupted; nothing committed is lost: the same command goes on"])


def test_a_damaged_run_is_named_and_the_others_are_played(file: Path, lethe: Callable[..., Ended], tmp_path: Path) -> None:
    status, out, _ = lethe("sweep", file, "--seeds", "0:2", "--out", tmp_path)
    folder = Path(out[-1])
    damaged = sorted((folder / "runs").iterdir())[0]
    ledger = bytearray((damaged / "run.sqlite").read_bytes())
    ledger[:4096] = bytes(4096)
    (damaged / "run.sqlite").write_bytes(bytes(ledger))
    status, out, err = lethe("sweep", file, "--seeds", "0:2", "--out", tmp_path)
    assert status == 2
    assert err[-1] == "verdict: measured: 1 of 2 runs measured; 1 of 2 runs not finished"
    assert f"{damaged}/run.sqlite: is not the ledger of a run" in err[-2]
