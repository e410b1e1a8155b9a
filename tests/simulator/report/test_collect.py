from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from server.timeline import Happening, Round
from simulator import Scenario, run
from simulator.errors import LetheError
from simulator.report.collect import _status, collect
from simulator.report.writing import write_report
from tests.simulator.conftest import DELETE, LEAVE

pytestmark = pytest.mark.reports

TINY = {
    "name": "tiny",
    "seed": 3,
    "peers": {
        "count": 5,
        "main": [{"kind": "linear"}, {"kind": "mlp", "hidden": [8]}],
        "seed": {"kind": "mlp", "hidden": [8]},
    },
    "training": {"epochs": 1},
    "distillation": {"epochs": 1},
    "topology": {"kind": "ring", "on_leave": "rewire"},
    "event": [
        LEAVE | {"round": 2, "peers": [1]},
        DELETE,
        {"round": 4, "do": "offline", "peers": [3], "rounds": 1},
    ],
    "expect": [{"after": 4, "absent": 1}],
}


@pytest.fixture(scope="module")
def folder(scenario: Callable[..., Scenario], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(scenario(**TINY), tmp_path_factory.mktemp("run")).folder


def test_says_what_results_and_ledger_say(folder: Path) -> None:
    data, results = collect(folder), json.loads((folder / "results.json").read_text())
    assert (data.name, data.seed, data.digest) == ("tiny", 3, results["digest"])
    assert data.accuracy.global_ensemble == results["accuracy"]["global"]["ensemble"]
    assert [row.bytes_overlay for row in data.rounds] == [row["bytes_overlay"] for row in results["timeline"]]
    assert [row.live for row in data.rounds] == [5, 4, 4, 3]
    assert [row.status for row in data.peers] == ["present", "erased", "present", "away", "present"]
    assert data.peers[1].present == (True, False, False, False)
    assert data.peers[1].accuracy[0] is not None
    assert data.peers[1].final is None
    assert data.peers[0].final is not None
    assert {row.main for row in data.peers} == {"linear", "mlp (hidden 8)"}
    assert [(row.round, row.do, row.peers) for row in data.events] == [(2, "leave", (1,)), (3, "delete", (2,)), (4, "offline", (3,))]
    assert [one.passed for one in data.expectations] == [True]


def test_the_last_departure_is_a_peers_status() -> None:
    gone = Happening(do="leave", peers=(3,))
    rounds = (
        Round(round=1, present=(0, 1), members=(0, 1), edges=(), happenings=(gone,)),
        Round(round=2, present=(0,), members=(0,), erased=(1,), edges=()),
        Round(round=3, present=(1,), members=(0, 1), edges=()),
        Round(round=4, present=(0,), members=(0,), edges=()),
        Round(round=5, present=(), members=(), erased=(0,), edges=()),
    )
    assert [_status(peer, rounds) for peer in range(4)] == ["erased", "left", "never joined", "left"]


def test_erasures_stand_beside_retraining_and_doing_nothing(folder: Path) -> None:
    data, results = collect(folder), json.loads((folder / "results.json").read_text())
    assert [(row.kind, row.peer, row.guarantee) for row in data.erasures] == [("peer", 1, "exact"), ("rows", 2, "exact")]
    for row, found in zip(data.erasures, results["erasures"], strict=True):
        assert row.outcome.difference == 0.0
        assert (row.nothing.difference or 0) > 0
        assert (row.retrained.gradient_steps or 0) > 0
        assert (row.retrained.bytes or 0) > 0
        assert row.outcome.receipts == len(found["receipts"]) == row.outcome.holders
        assert row.outcome.audited["mia_auc"] == found["mia_auc"]
        assert row.retrained.audited["mia_auc"] == found["mia_auc_counterfactual"]


def test_graph_and_holdings_change_with_the_departure(folder: Path) -> None:
    data = collect(folder)
    (departure,) = (one for one in data.graphs if one.leavers)
    assert (departure.round, departure.leavers) == (2, (1,))
    assert all(1 in edge for edge in set(departure.edges_before) - set(departure.edges_after))
    peer, rows = data.holdings
    assert peer.owners == (1,)
    assert not any(owner == 1 for _, owner in peer.after)
    assert rows.owners == (2,)
    assert {owner for _, owner in rows.before} >= {0, 2}
    assert not any(owner == 2 for _, owner in rows.after)


def test_writes_the_page_into_the_run_directory(folder: Path) -> None:
    before = (folder / "report.html").read_text()
    assert write_report(folder) == folder / "report.html"
    assert (folder / "report.html").read_text() == before
    assert collect(folder).digest in before
    assert not list(folder.glob("*.unfinished"))


def test_a_folder_that_is_no_finished_run_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(LetheError, match="not a run directory"):
        collect(tmp_path)
    for name in ("plan.json", "run.sqlite"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with sqlite3.connect(tmp_path / "run.sqlite") as db:
        db.execute("delete from meta where key = 'finished'")
    db.close()
    with pytest.raises(LetheError, match="not finished"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()
    with sqlite3.connect(folder / "run.sqlite") as db:
        assert db.execute("select count(*) from rounds").fetchone()[0] == 5
