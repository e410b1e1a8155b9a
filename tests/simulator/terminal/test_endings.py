"""How commands end: the verdict, exit statuses, and what programs read."""

from __future__ import annotations

import errno
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal
from xml.etree import ElementTree

import pytest

from clients.config import read as read_config
from clients.unlearning import UNLEARNERS
from clients.unlearning.contract import Cost, Outcome
from clients.unlearning.exact.retrain import Retrain
from clients.unlearning.exact.retraining import Retrained
from server.ledger import RoundRecord
from simulator import register
from simulator.report.writing import page as report_of
from simulator.runs.run import Run
from simulator.runs.verdict import Verdict
from simulator.runs.verify import verify
from simulator.storage.store import RunStore
from tests.simulator.terminal.conftest import Ended
from tests.tiny import RETRAINED

ROOT = Path(__file__).parents[3]
DELETE = {"round": 2, "do": "delete", "peer": 0, "rows": {"fraction": 0.3}}
ASKED = RETRAINED | {"name": "tiny", "event": [DELETE]}
LEAVE = {"round": 2, "do": "leave", "peers": [1], "erase": True}


class Unforgetting(Retrained):
    """Strikes the rows off its list, and keeps what it has learned from them."""

    def forget(self, request: Any) -> Outcome:
        self.rows = self.rows.without(request)
        return Outcome(Cost(), "exact")


class Pretender(Retrain):
    """Claims to be exact and forgets nothing."""

    summary: ClassVar[str] = "forgets nothing"
    kind: Literal["pretender"] = "pretender"  # type: ignore[assignment]

    def build(self, problem: Any, key: Any) -> Any:
        return Unforgetting(self, problem, key)


@pytest.fixture
def pretender() -> Iterator[dict[str, Any]]:
    register(Pretender)
    yield {"peers": ASKED["peers"] | {"main": [{"kind": "pretender", "base": {"kind": "linear"}}]}}
    UNLEARNERS.registered.clear()
    UNLEARNERS.loaded.pop("pretender")
    read_config.cache_clear()


@pytest.fixture
def file(scenario: Callable[..., Any], tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a scenario file, some keys replaced."""

    def write(**changes: Any) -> Path:
        path = tmp_path / "tiny.toml"
        path.write_text(scenario(**ASKED | {"audit": {}} | changes).to_toml())
        return path

    return write


def test_a_plugin_that_claims_exact_and_forgets_nothing_ends_red_and_with_1(
    pretender: dict[str, Any], file: Callable[..., Path], lethe: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    junit = tmp_path / "cases.xml"
    status, out, err = lethe("run", file(**pretender), "--out", tmp_path / "runs", "--junit", junit)
    assert status == 1, err[-1]
    folder = Path(out[-1])
    assert "\x1b[1;31mverdict: disproved: erasure 0 (rows of peer 0) claims to be exact: differs by " in err[-1]
    page = report_of(folder)
    assert re.search(r'<body>\s*<header>\s*<p class="verdict bad"><strong>Disproved\.', page), "first in the report"
    assert verify(folder), "and verify finds the same"
    monkeypatch.delenv("FORCE_COLOR")
    status, out, _ = lethe("show", folder)
    assert (status, out[-1].startswith("verdict: disproved: ")) == (0, True)
    (case,) = ElementTree.parse(junit).iter("testcase")
    assert case.find("failure") is not None
    # the control: the same scenario with a learner that forgets
    status, out, err = lethe("run", file(), "--out", tmp_path / "runs", "--junit", junit)
    assert (status, err[-1].split(": ")[:2]) == (0, ["verdict", "proven"])
    assert '<p class="verdict good"><strong>Proven.' in report_of(Path(out[-1]))
    (case,) = ElementTree.parse(junit).iter("testcase")
    assert case.find("failure") is None


def test_verdicts_of_what_was_not_compared_refused_or_expected(
    file: Callable[..., Path], lethe: Callable[..., Ended], tmp_path: Path
) -> None:
    def played(**changes: Any) -> tuple[int, Verdict, Path]:
        status, out, err = lethe("run", file(**changes), "--json", "--out", tmp_path / "runs")
        assert out, err
        found = json.loads("\n".join(out))
        assert err[-1] == Verdict.of(found).line
        return status, Verdict.of(found), Path(found["folder"])

    status, verdict, _ = played(audit={"counterfactual": False})
    assert (status, verdict.name) == (0, "measured")
    assert verdict.why == "0 of 1 erasures proven; 1 claims to be exact, but was not compared: audit.counterfactual is off"
    status, verdict, _ = played(event=[], audit={"counterfactual": False})
    assert (status, verdict.name, verdict.why) == (0, "measured", "nothing had to be forgotten")
    refuse = {"round": 1, "do": "refuse", "peers": [0]}
    status, verdict, folder = played(rounds=3, event=[refuse, LEAVE | {"round": 3}], audit={"counterfactual": False})
    assert (status, verdict.name) == (1, "disproved")
    assert verify(folder), "verify says the same"
    unmet = {"after": "final", "metric": "accuracy.global.main", "min": 1.0}
    status, verdict, _ = played(expect=[unmet, unmet | {"min": 0.0}])
    assert (status, verdict.name) == (1, "expectations failed")
    assert verdict.why.startswith("number 1, after the final evaluation: expected accuracy.global.main >= 1.0; 0.")


def test_what_is_expected_of_the_final_evaluation_is_looked_up_there(
    file: Callable[..., Path], lethe: Callable[..., Ended], tmp_path: Path
) -> None:
    departed = [{"after": "final", "absent": 1}, {"after": "final", "equal_to": "never_joined", "peer": 1}]
    measured = [{"after": after, "metric": "accuracy.global.main", "min": 0.0} for after in (2, "final")]
    path, junit = file(event=[LEAVE], expect=[*departed, *measured]), tmp_path / "cases.xml"
    status, out, _ = lethe("run", path, "--json", "--out", tmp_path / "runs", "--junit", junit)
    found = json.loads("\n".join(out))
    assert (status, [one["met"] for one in found["expectations"]]) == (0, [True] * 4)
    last = found["accuracy"]["global"]["main"]
    assert found["expectations"][3]["found"] == f"{last:.4g}"
    names = [case.get("name") for case in ElementTree.parse(junit).iter("testcase")]
    assert names[:2] == ["erasure 0 (peer 1): exact", "expectation 1 after the final evaluation: peer 1 absent"]
    assert "After the final evaluation: peer 1 absent" in report_of(Path(found["folder"]))
    status, _, err = lethe("run", path, "--set", "expect.0.after=finale", "--out", tmp_path / "none")
    assert status == 2
    assert err == [f"lethe: {path}: expect 1 (expect.0.after): is 'finale': write a whole number or 'final'"]


def test_a_damaged_run_is_one_line_and_never_reads_as_disproved(finished: Run, lethe: Callable[..., Ended], tmp_path: Path) -> None:
    for damage in ("results", "ledger"):
        folder = Path(shutil.copytree(finished.folder, tmp_path / damage))
        (folder / "results.json").write_text("{}")
        if damage == "ledger":
            (folder / "results.json").unlink()
            (folder / "report.html").unlink()
            ledger = bytearray((folder / "run.sqlite").read_bytes())
            ledger[4096:] = bytes(len(ledger) - 4096)
            (folder / "run.sqlite").write_bytes(bytes(ledger))
        for command in ("show", "report"):
            status, out, err = lethe(command, folder)
            assert (status, out, len(err)) == (2, [], 1), (damage, command, err)
            assert ("cannot be read" if damage == "results" else "is not the ledger of a run") in err[0]


def test_programs_read_json_and_nothing_else(file: Callable[..., Path], lethe: Callable[..., Ended], tmp_path: Path) -> None:
    path = file()
    status, out, err = lethe("check", path, "--json")
    told = json.loads("\n".join(out))
    assert (status, err, told["name"], len(told["peers"]), told["rounds"][1]["happenings"][0]["do"]) == (0, [], "tiny", 2, "delete")
    assert told["erasures"][0] | {"rows": 0} == {
        "round": 2, "kind": "rows", "peer": 0, "rows": 0, "edges": 0, "method": "retrain", "guarantee": "exact"
    }  # fmt: skip
    status, out, _ = lethe("run", path, "--json", "--out", tmp_path / "runs")
    ran = json.loads("\n".join(out))
    assert (status, ran["plan"]) == (0, told["plan"])
    folder = Path(ran["folder"])
    status, out, err = lethe("show", folder, "--json")
    assert (status, err, json.loads("\n".join(out))) == (0, [], ran)
    status, out, _ = lethe("verify", folder, "--json")
    assert (status, json.loads("\n".join(out))["holds"]) == (0, True)
    next((folder / "artefacts").iterdir()).unlink()
    status, out, _ = lethe("verify", folder, "--json")
    found = json.loads("\n".join(out))
    assert (status, found["holds"]) == (1, False)
    assert "missing" in found["problems"][0]
    status, out, err = lethe("methods", "--json")
    assert (status, err) == (0, [])
    guarantees = {one["method"]: one["guarantee"] for one in json.loads("\n".join(out))["methods"]}
    assert guarantees["finetune"] == "approximate"


def test_what_cannot_be_written_is_one_line_and_nothing_committed_is_lost(
    file: Callable[..., Path], lethe: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, (commit, full) = file(), (RunStore.commit, OSError(errno.ENOSPC, "No space left on device", "artefacts/x"))

    def fill(self: RunStore, record: RoundRecord) -> None:
        commit(self, record)
        raise full

    monkeypatch.setattr(RunStore, "commit", fill)
    status, _, err = lethe("run", path, "--out", tmp_path / "runs")
    (folder,) = (tmp_path / "runs").iterdir()
    assert (status, err) == (
        3,
        [f"lethe: artefacts/x: cannot be written or read (No space left on device); nothing committed is lost: lethe resume {folder}"],
    )
    monkeypatch.setattr(RunStore, "commit", commit)
    status, _, err = lethe("resume", folder)
    assert (status, err[0]) == (0, "tiny: round 2 of 2: delete 0"), "round 1 is not played again"
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    for option, place, said in (
        ("--out", in_the_way, "File exists"),
        ("--junit", tmp_path / "no" / "x.xml", f"there is no folder {tmp_path / 'no'}"),
        ("--junit", tmp_path, "is a folder"),
    ):
        status, out, err = lethe("run", path, option, place)
        assert (status, out, len(err)) == (2, [], 1)
        assert said in err[0]


def test_a_full_device_in_place_of_a_terminal_is_one_line() -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        command = [sys.executable, "-m", "simulator.cli", "methods"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr == "lethe: standard output: No space left on device: make room or access\n"


def test_the_readme_lists_the_exit_statuses() -> None:
    rows = re.findall(r"^\| `(\d+)` \| (.+) \|$", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    assert [int(status) for status, _ in rows] == [0, 1, 2, 3, 130, 143]
