"""What stays by design of what was forgotten is listed, and nothing where nothing had to be forgotten."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulator.cli import app
from simulator.runs.remains import remains
from simulator.runs.run import Run
from simulator.runs.verify import examine
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.storage.reading import reading
from tests.simulator.conftest import DELETE, LEAVE, SMALL

SCENARIOS = Path(__file__).resolve().parents[3] / "experiments" / "scenarios"
FEW = {"rounds": 3, "audit": {"counterfactual": False}}


def test_ids_hashes_figures_and_the_source_are_listed(finished: Run) -> None:
    found = examine(finished.folder)
    rows = sum(len(erasure.rows) for erasure in finished.plan.timeline.erasures)
    assert found.problems == ()
    text = "\n".join(found.remaining)
    assert f"by {rows} ids" in text
    assert "artefacts that are gone by their hashes" in text
    assert "metrics of earlier rounds" in text
    assert "the data set, digits" in text
    assert len(found.remaining) == 4, "no holder refused, every erasure is exact, and no cache is used"
    shown = CliRunner().invoke(app, ["verify", str(finished.folder)])
    assert (shown.exit_code, shown.output.count("stays by design: ")) == (0, 4)


def test_a_holder_that_refused_and_weights_that_go_on_are_named(play: Callable[..., Run]) -> None:
    events = [
        {"round": 2, "do": "refuse", "peers": [3]},
        LEAVE,
        DELETE,
    ]
    peers = SMALL["peers"] | {"main": [{"kind": "finetune", "base": {"kind": "linear"}}]}
    done = play(event=events, peers=peers, **FEW)
    found = examine(done.folder)
    with reading(done.folder) as store:
        seeds = store.mailbox().held[3]
    held = [line for line in found.remaining if "gave no receipt" in line]
    assert held == [
        f"peer 3 holds the seed of peer {owner} (erasure {erasure}), for which it gave no receipt: {seeds[owner].sha256}"
        for owner, erasure in ((2, 1), (4, 0))
    ]
    assert [line for line in found.remaining if ": approximate: " in line]
    assert any("peer 3 gave no receipt" in line for line in found.problems), "that it refused stays a failure, too"


def test_a_ledger_that_cannot_be_read_is_a_problem_and_no_crash(finished: Run, forge: Callable[[Path], None], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(finished.folder, tmp_path / "copy"))
    with sqlite3.connect(copy / "run.sqlite") as db:
        db.execute("update outcomes set notes = 'no JSON'")
    db.close()
    forge(copy)
    assert any("holds what no run has written" in line for line in examine(copy).problems)


def test_where_nothing_had_to_be_forgotten_nothing_is_listed(play: Callable[..., Run]) -> None:
    assert examine(play(event=[], **FEW).folder).remaining == ()


def test_the_cache_of_denoisers_is_named(finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LETHE_CACHE", str(tmp_path))
    (tmp_path / "0.safetensors").write_bytes(b"")
    plan = resolve(Scenario.load(SCENARIOS / "hdus_diffusion.toml"))
    with reading(finished.folder) as store:
        assert any(f"cache, {tmp_path}: 1 files" in line for line in remains(plan, store))
        assert not any("cache" in line for line in remains(finished.plan, store)), "peers that classify use none"


def test_guards_whose_words_lie_in_the_run_directory_are_named(finished: Run) -> None:
    plan = resolve(Scenario.load(SCENARIOS / "keys" / "language.toml"))
    assert {"names", "canned", "one-user", "pattern"} < {rule.id for rule in plan.timeline.rules}
    with reading(finished.folder) as store:
        found = [line for line in remains(plan, store) if "as they were written" in line]
    assert [line.split("in words: ")[1] for line in found] == ["canned, one-user, pattern"], "others keep hashes"
