"""Rows that arrive leave every peer as if it had been given them before training, and are forgotten like others; a fault is noticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients.data.rows import Rows
from clients.unlearning.contract import Cost, Outcome
from clients.unlearning.exact.sharding import Sharded
from simulator.report.collect import collect
from simulator.report.render import render
from simulator.runner import run
from simulator.runs.run import Run
from simulator.runs.verify import examine, verify
from simulator.scenarios.scenario import Scenario
from tests.simulator.conftest import SMALL

PEERS = SMALL["peers"] | {
    "count": 4,
    "main": [
        {"kind": "sisa", "shards": 2, "slices": 2, "base": {"kind": "linear"}},
        {"kind": "dare", "trees": 5},
        {"kind": "ridge"},
        {"kind": "mlp", "hidden": [8]},
    ],
}
EVENTS: list[dict[str, Any]] = [
    {"round": 2, "do": "offline", "peers": [1], "rounds": 1},
    {"round": 2, "do": "arrive", "peers": [0, 1, 2, 3], "rows": {"fraction": 0.2}},
    {"round": 2, "do": "crash", "peers": [2], "phase": "after_training"},
    {"round": 4, "do": "arrive", "peers": [0, 3], "rows": {"fraction": 0.1}},
    {"round": 4, "do": "delete", "peers": [0, 1, 2, 3], "rows": {"fraction": 0.5}},
    {"round": 4, "do": "crash", "peers": [3], "phase": "before_training"},
]
CHANGES: dict[str, Any] = {"peers": PEERS, "event": EVENTS, "audit": {"counterfactual": True}}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(Scenario.parse(SMALL | CHANGES), tmp_path_factory.mktemp("runs"))


def test_every_arrival_and_every_later_deletion_is_exact(finished: Run) -> None:
    found = finished.results
    assert [one["method"] for one in found["arrivals"]] == ["add", "add", "retrain", "add", "add", "retrain"]
    assert [(one["peer"], one["taken_in"]) for one in found["arrivals"]] == [(0, 2), (2, 3), (3, 2), (1, 3), (0, 4), (3, 5)]
    assert all(one["equal"] and one["guarantee"] == "exact" for one in found["arrivals"])
    assert [one["max_abs_difference"] for one in found["erasures"]] == [0.0] * 4
    assert found["verdict"]["name"] == "proven"
    assert found["verdict"]["why"].endswith("rows that arrived left all bit for bit as if they had been given before training")
    assert verify(finished.folder) == []


def test_what_was_deleted_had_arrived(finished: Run) -> None:
    came = {row for now in finished.plan.timeline.rounds for rows in now.arrive.values() for row in rows}
    assert all(came & set(one.rows) for one in finished.plan.timeline.erasures), "deletions must reach rows that arrived"


def test_costs_and_notes_are_told(finished: Run) -> None:
    by_peer = {one["peer"]: one for one in finished.results["arrivals"]}
    assert by_peer[0]["gradient_steps"] > 0, "the last slice has begun by round 4"
    assert by_peer[0]["notes"] == ["rows that arrive lie in the last slice of their shards, whatever their keyed hash says"]
    assert (by_peer[2]["gradient_steps"], by_peer[2]["parts"], by_peer[2]["notes"]) == (0, 1, [])
    assert all(one["seconds"] > 0 for one in by_peer.values())


def test_the_report_tells_of_arrivals(finished: Run) -> None:
    page = render(collect(finished.folder))
    assert "Rows that arrived" in page
    assert page.count("exact: every bit as if given before training") == 6
    assert "took new rows in" in page


def test_without_the_audit_nothing_is_called_proven(tmp_path: Path, finished: Run) -> None:
    event = [EVENTS[1]]
    quiet = run(Scenario.parse(SMALL | CHANGES | {"event": event, "audit": {"counterfactual": False}}), tmp_path)
    assert quiet.results["verdict"]["name"] == "measured"
    why = quiet.results["verdict"]["why"]
    assert why == "0 of 4 arrivals proven; 4 claims to be exact, but was not compared: audit.counterfactual is off"
    found = examine(quiet.folder)
    assert found.problems == ()
    assert "the run to compare it with has not been played: set audit.counterfactual = true" in found.not_checked[0]


def _from_now_on(self: Sharded, data: Rows) -> Outcome:
    """Take rows in without repeating what was trained."""
    self.rows, self.late = self.rows.joined(self.table.shaped(data)), np.union1d(self.late, data.ids)
    return Outcome(Cost(), "exact")


def test_taking_rows_in_from_now_on_only_is_disproved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sharded, "add", _from_now_on)
    event = {"round": 4, "do": "arrive", "peers": [0], "rows": {"fraction": 0.2}}
    done = run(Scenario.parse(SMALL | CHANGES | {"event": [event]}), tmp_path)
    assert done.results["arrivals"][0]["equal"] is False
    assert done.results["verdict"]["name"] == "disproved"
    assert "ends with other bytes than in the run in which the rows were given before training" in done.results["verdict"]["why"]
    assert any("ends with other bytes" in line for line in verify(done.folder))
