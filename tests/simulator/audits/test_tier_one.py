"""Audits by shadow models, asked for by scenarios and of runs that are finished."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from simulator.auditing import add
from simulator.audits.verdicts import Judged, all_judged, by_shadows, told
from simulator.cli import app, main
from simulator.errors import LetheError
from simulator.report.writing import page as report_of
from simulator.report.writing import write_report
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.scenario import Scenario
from simulator.storage import chain
from simulator.storage.store import RunStore

pytestmark = pytest.mark.usefixtures("own_cache")

NAMES = ("forgetting_quality", "klom", "rmia", "ruli", "u_lira")
BASE = {"kind": "mlp", "hidden": [12]}
SMALL: dict[str, Any] = {
    "rounds": 2,
    "data": {"dataset": "digits", "rows": 300, "reference": 20, "test": 80, "partition": {"kind": "iid"}},
    "peers": {
        "count": 4,
        "main": [
            {"kind": "approximate", "base": BASE, "method": "nothing"},
            BASE,
            {"kind": "sisa", "shards": 2, "slices": 1, "base": {"kind": "linear"}},
        ],
        "seed": {"kind": "linear"},
    },
    "training": {"epochs": 10, "batch_size": 16, "optimizer": {"kind": "adam", "lr": 0.01}},
    "topology": {"kind": "complete"},
    "event": [
        {"round": 2, "do": "delete", "peers": [0, 1, 2], "rows": {"fraction": 0.4}},
        {"round": 2, "do": "leave", "peers": [3], "erase": True},
    ],
}


@pytest.fixture(scope="module")
def plain(scenario: Callable[..., Scenario], tmp_path_factory: pytest.TempPathFactory) -> Run:
    from simulator.runner import run

    return run(scenario(**SMALL, audit={"counterfactual": False}), tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def audited(plain: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return the run with every audit by which a method passes, by few models: enough for all but verdicts."""
    few = {name: partial(spec, models=8) for name, spec in by_shadows().items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simulator.auditing.by_shadows", lambda: few)
        return add(shutil.copytree(plain.folder, tmp_path_factory.mktemp("audited") / "run"), NAMES)


def verdicts(run: Run) -> dict[tuple[str, int], str]:
    """Return the verdict of each audit on each peer."""
    rows = run.results["erasures"]
    return {(one.name, rows[place]["peer"]): one.verdict for place, one in all_judged(NAMES, rows)}


@pytest.mark.slow
def test_nothing_done_is_caught_and_retraining_passes(plain: Run, tmp_path: Path) -> None:
    judged = add(shutil.copytree(plain.folder, tmp_path / "run"))
    assert verdicts(judged) == {(name, peer): ("fails", "passes")[peer] for name in NAMES for peer in (0, 1)}
    page = report_of(judged.folder)
    assert (page.count('chip bad">fails'), page.count('chip good">passes')) == (5, 5)


def test_who_did_nothing_is_as_if_the_request_had_been_ignored_and_who_retrained_is_nearer(audited: Run) -> None:
    assert tuple(name for name, spec in by_shadows().items() if spec.passes) == NAMES
    assert verdicts(audited).keys() == {(name, peer) for name in NAMES for peer in (0, 1)}
    for place, one in all_judged(NAMES, audited.results["erasures"]):
        assert one.method[1] <= one.method[0] <= one.method[2]
        assert (one.method == one.nothing) == (place == 0)
        assert one.method[0] < one.nothing[0] or place == 0


def test_nothing_is_left_that_would_be_added_unasked(audited: Run) -> None:
    with pytest.raises(LetheError, match="has every audit that is added unasked"):
        add(audited.folder)


def test_others_say_why_they_are_not_judged(audited: Run) -> None:
    reasons = {row["peer"]: set(row.get("not_judged", {}).values()) for row in audited.results["erasures"]}
    assert reasons[0] == reasons[1] == set()
    assert reasons[2] == {"not judged: cannot be stacked: a main model of kind 'sisa' is not one network that learns from its own rows"}
    (left,) = reasons[3]
    assert "no main model that is left learned from the rows" in left


def test_digest_plan_and_verdict_stay_and_the_ledger_is_whole(plain: Run, audited: Run) -> None:
    before, after = plain.results, audited.results
    for key in ("digest", "verdict", "timeline", "metrics"):
        assert after[key] == before[key]
    assert (audited.folder / "plan.json").read_bytes() == (plain.folder / "plan.json").read_bytes()
    assert tuple(after["audits"]) == ("counterfactual", *NAMES)[1:]
    assert verify(audited.folder) == []
    assert json.loads((audited.folder / "results.json").read_text(encoding="utf-8"))["audits"].keys() == set(NAMES)


@pytest.mark.parametrize("change", ["delete from audits where name = 'klom/0'", "update audits set body = '{}' where name = 'added-klom'"])
def test_whatever_was_added_is_under_the_seal(change: str, audited: Run, tmp_path: Path) -> None:
    copy = shutil.copytree(audited.folder, tmp_path / "run")
    with closing(sqlite3.connect(copy / "run.sqlite", isolation_level=None)) as db:
        db.execute(change)
    assert verify(copy)


def test_page_and_terminal_tell_figures_and_verdicts(audited: Run) -> None:
    page = report_of(audited.folder)
    assert "Compared with many retrained models" in page
    for text in ("U-LiRA, area under the curve", "balanced accuracy", "planted shift", "farthest from retrained again"):
        assert text in page
    shown = CliRunner().invoke(app, ["show", str(audited.folder)], env={"COLUMNS": "100"}).stdout
    assert "audits by shadow models" in shown
    assert "over models and rows" not in shown, "some audits' intervals are over models alone"
    assert sum(shown.count(f" {verdict}") for verdict in ("fails", "passes", "undecided", "no power")) == 10
    assert "cannot be stacked" in shown


def test_a_scenario_that_asks_finds_the_same(audited: Run, scenario: Callable[..., Scenario], play: Callable[..., Run]) -> None:
    asked = play(**SMALL, audit={"counterfactual": False, "rmia": {"models": 8}})
    assert verify(asked.folder) == []
    for one, other in zip(asked.results["erasures"], audited.results["erasures"], strict=True):
        assert {key: one[key] for key in one if key.startswith("rmia")} == {key: other[key] for key in other if key.startswith("rmia")}
    with pytest.raises(LetheError, match="--with rmia: the run has this audit: leave it out"):
        add(asked.folder, ["rmia"])


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["lira"], f"--with lira: is no audit: take one of {', '.join(by_shadows())}"),
        (["relearn"], "--with relearn: needs other runs beside this one: set audit.relearn = true and run the scenario again"),
        (["klom", "klom"], "--with klom: is given twice: give it once"),
    ],
)
def test_bad_names_are_answered_in_a_line_and_change_nothing(
    names: list[str], reason: str, plain: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.read_bytes() for path in plain.folder.glob("*.*")}
    monkeypatch.setattr("sys.argv", ["lethe", "audit", str(plain.folder), *(part for name in names for part in ("--with", name))])
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code, *capsys.readouterr()) == (2, "", f"lethe: {reason}\n")
    assert {path.name: path.read_bytes() for path in plain.folder.glob("*.*")} == before


def test_a_run_that_is_not_finished_is_not_audited(plain: Run, tmp_path: Path) -> None:
    copy = shutil.copytree(plain.folder, tmp_path / "run")
    with closing(RunStore(copy)) as store:
        store.db.execute("delete from meta where key = ?", (chain.SEAL,))
    with pytest.raises(LetheError, match="the run is not finished: lethe resume"):
        add(copy)


def test_a_run_that_had_nothing_to_forget_is_not_audited(play: Callable[..., Run]) -> None:
    with pytest.raises(LetheError, match="nothing had to be forgotten"):
        add(play(**SMALL | {"rounds": 1, "event": []}, audit={"counterfactual": False}).folder)


def test_an_audit_that_fails_leaves_the_run_as_it_was(plain: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = shutil.copytree(plain.folder, tmp_path / "run")
    monkeypatch.setattr("simulator.auditing.RunStore.finish", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        add(copy, ["rmia"])
    monkeypatch.undo()
    assert Run(copy).results == plain.results
    assert verify(copy) == []


def test_too_few_rows_are_not_judged(plain: Run) -> None:
    from simulator.audits.contract import Branch, NotJudgedError
    from simulator.audits.lives import life_of
    from simulator.storage.reading import reading
    from simulator.tasks.replica import peers_at_end

    erasure = next(one for one in plain.plan.timeline.erasures if one.peer == 1)
    with reading(plain.folder) as store:
        branch = Branch(store, peers_at_end(plain.plan, store))
        life = life_of(erasure, [1], branch)
        with pytest.raises(NotJudgedError, match=r"too few rows \(7\)"):
            life_of(erasure.model_copy(update={"rows": erasure.rows[:7]}), [1], branch)
    assert (life.before, life.after) == (1, 1)
    assert sorted(life.rows.ids) == sorted(plain.plan.configs[1].rows)


def test_verdicts() -> None:
    again, nothing = (0.5, 0.45, 0.55), (0.9, 0.8, 1.0)
    assert Judged("u_lira", (0.52, 0.5, 0.6), again, nothing, 0.6, 0.7).verdict == "passes"
    assert Judged("u_lira", (0.7, 0.6, 0.8), again, nothing, 0.6, 0.7).verdict == "fails"
    assert Judged("u_lira", (0.3, 0.2, 0.4), again, nothing, 0.6, 0.7).verdict == "fails", "over-unlearning shows, too"
    assert Judged("u_lira", (0.7, 0.5, 0.85), again, nothing, 0.6, 0.7).verdict == "undecided", "it overlaps did nothing, too"
    for blind in (Judged("u_lira", again, again, again, 0.6, 0.7), Judged("u_lira", again, again, nothing, 0.6, 0.6)):
        assert blind.verdict == "no power"


def test_the_worst_of_several_is_named() -> None:
    again, nothing = (0.5, 0.45, 0.55), (0.9, 0.8, 1.0)
    found = [Judged("u_lira", (value, value - 0.05, value + 0.05), again, nothing, 0.6, 0.7) for value in (0.5, 0.85, 0.52)]
    (line,) = told("U-LiRA", found, ["a", "b", "c"])
    assert "farthest from retrained again: b" in line
    assert list(told("U-LiRA", found[:1], ["a"])) == []


def killed(folder: Path, names: list[str], when: str) -> int:
    """Add audits in a process of its own, which is killed when it commits its rows or names a file; return how it ended."""
    pid = os.fork()
    if pid == 0:

        def die(event: str, arguments: Any) -> None:
            if event == "os.rename" and when in str(arguments[1]) and str(folder) in str(arguments[1]):
                os.kill(os.getpid(), signal.SIGKILL)

        class Dying(RunStore):
            def finish(self) -> None:
                super().finish()
                if when == "commit":
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(die)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("simulator.auditing.RunStore", Dying)
                add(folder, names)
        finally:
            os._exit(1)
    return -os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def files(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("results.json", "report.html")}


def test_killed_before_its_commit_it_leaves_results_and_report(audited: Run, plain: Run, tmp_path: Path) -> None:
    copy = shutil.copytree(plain.folder, tmp_path / "run")
    assert killed(copy, ["rmia"], "commit") == signal.SIGKILL
    assert files(copy) == files(plain.folder)
    assert Run(copy).results == plain.results


@pytest.mark.parametrize("when", [pytest.param("report.html", marks=pytest.mark.slow), "results.json"])
def test_killed_after_its_commit_it_has_lost_nothing(when: str, audited: Run, plain: Run, tmp_path: Path) -> None:
    copy = shutil.copytree(plain.folder, tmp_path / "run")
    assert killed(copy, ["rmia"], when) == signal.SIGKILL
    assert (copy / "results.json").read_bytes() == files(plain.folder)["results.json"], "the file is older than the ledger"
    assert list(Run(copy).results["audits"]) == ["rmia"], "and what is read is what the ledger has"
    assert verify(copy) == ["results.json: says something else than the ledger"]
    with pytest.raises(LetheError, match=r"results\.json lacks what the ledger has: lethe report"):
        add(copy, ["klom"])
    write_report(copy)
    assert verify(copy) == []
    assert "RMIA" in files(copy)["report.html"].decode()
