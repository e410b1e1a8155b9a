"""Corrected rows leave every peer as if they had always been right, in every kind of federation that corrects; faults are noticed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from clients.classification.hdus.peer import Peer
from clients.corrections import Correction
from clients.data.rows import Rows
from clients.participant import Update
from clients.unlearning.approximate.certified.correcting import Correcting
from clients.unlearning.contract import Cost, Outcome
from clients.unlearning.exact.sharding import Sharded
from simulator.report.collect import collect
from simulator.report.render import render
from simulator.runner import run
from simulator.runs.run import Run
from simulator.runs.verify import examine, verify
from simulator.scenarios.scenario import Scenario

SMALL: dict[str, Any] = {
    "name": "corrections",
    "seed": 5,
    "rounds": 4,
    "data": {"dataset": "breast_cancer", "rows": 200, "reference": 40, "test": 60, "partition": {"kind": "iid"}},
    "peers": {
        "count": 3,
        "main": [
            {"kind": "sisa", "shards": 2, "slices": 2, "base": {"kind": "linear"}},
            {"kind": "naive_bayes"},
            {"kind": "mlp", "hidden": [4]},
        ],
        "seed": {"kind": "linear"},
    },
    "training": {"epochs": 1},
    "distillation": {"epochs": 1},
    "topology": {"kind": "ring"},
    "audit": {"counterfactual": True, "membership_inference": True, "relearn": {"cap": 5}},
}
EVENTS: list[dict[str, Any]] = [
    {"round": 2, "do": "arrive", "peers": [0, 2], "rows": {"fraction": 0.2}},
    {"round": 2, "do": "offline", "peers": [1], "rounds": 1},
    {"round": 2, "do": "correct", "peers": [0, 1, 2], "rows": {"fraction": 0.3}, "label": "benign"},
    {"round": 2, "do": "crash", "peers": [2], "phase": "after_training"},
    {"round": 4, "do": "correct", "peers": [0, 2], "feature": "mean radius", "value": 0.5},
    {"round": 4, "do": "delete", "peers": [0, 1], "rows": {"fraction": 0.5}},
    {"round": 4, "do": "crash", "peers": [0], "phase": "before_training"},
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(Scenario.parse(SMALL | {"event": EVENTS}), tmp_path_factory.mktemp("runs"))


def test_every_correction_and_every_later_deletion_is_exact(finished: Run) -> None:
    found = finished.results
    corrections = [one for one in found["erasures"] if one["kind"] == "correction"]
    assert sorted({(one["peer"], one["method"]) for one in corrections}) == [(0, "sisa"), (1, "naive_bayes"), (2, "retrain")]
    assert len(corrections) == 5
    assert {one["guarantee"] for one in found["erasures"]} == {"exact"}
    assert {one["max_abs_difference"] for one in found["erasures"]} == {0.0}
    assert found["verdict"]["name"] == "proven"
    assert verify(finished.folder) == []


def test_doing_nothing_would_differ(finished: Run) -> None:
    assert all(one["max_abs_difference_nothing"] > 0 for one in finished.results["erasures"])


def test_attacks_on_forgotten_rows_are_not_tried_on_rows_that_stay(finished: Run) -> None:
    for one in finished.results["erasures"]:
        if one["kind"] == "correction":
            assert one["not_judged"] == dict.fromkeys(("membership_inference", "relearn"), "not judged: rows were corrected and stay")
            assert one["seconds"] > 0


def test_the_report_tells_of_corrections(finished: Run) -> None:
    page = render(collect(finished.folder))
    assert "had rows corrected" in page
    assert "corrected." in page


def test_sums_are_corrected_by_subtraction_and_addition(tmp_path: Path) -> None:
    federation = {name: value for name, value in SMALL.items() if name not in ("topology", "training", "distillation")}
    federation |= {"federation": {"kind": "sums", "model": {"kind": "ridge"}}, "peers": {"count": 3}, "event": EVENTS}
    federation |= {"audit": {"counterfactual": True}}
    done = run(Scenario.parse(federation), tmp_path)
    found = done.results["erasures"]
    assert {(one["method"], one["guarantee"], one["max_abs_difference"]) for one in found} == {("subtract", "exact", 0.0)}
    assert len(found) == 7
    assert verify(done.folder) == []


def _kept_as_they_were(self: Sharded, data: Rows) -> Outcome:
    """Say that rows were corrected, and go on with them."""
    self.rows = self.rows.without(data.ids).joined(data)
    return Outcome(Cost(), "exact")


def test_correcting_from_now_on_only_is_disproved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sharded, "correct", _kept_as_they_were)
    event = {"round": 4, "do": "correct", "peers": [0], "label": "benign"}
    done = run(Scenario.parse(SMALL | {"event": [event], "audit": {"counterfactual": True}}), tmp_path)
    assert done.results["verdict"]["name"] == "disproved"
    assert any("differs by" in line for line in verify(done.folder))


def test_a_peer_that_keeps_rows_as_they_were_is_found_without_a_counterfactual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ignored(self: Peer, corrections: Iterable[Correction]) -> Outcome:
        return Outcome(Cost(), "approximate")

    monkeypatch.setattr(Peer, "correct", ignored)
    event = {"round": 4, "do": "correct", "peers": [0], "label": "benign"}
    done = run(Scenario.parse(SMALL | {"event": [event], "audit": {}}), tmp_path)
    assert done.results["verdict"]["name"] == "disproved"
    assert "its main model still knows" in done.results["verdict"]["why"]


STEPS = SMALL | {
    "peers": {"count": 2, "main": [{"kind": "features_labels", "sigma": 0.5}, {"kind": "features_labels"}], "seed": {"kind": "linear"}},
    "topology": {"kind": "complete"},
    "event": [
        {"round": 2, "do": "correct", "peers": [0, 1], "rows": {"fraction": 0.05}, "label": "benign"},
        {"round": 3, "do": "delete", "peers": [0, 1], "rows": {"fraction": 0.05}},
        {"round": 4, "do": "correct", "peers": [0, 1], "feature": "mean radius", "value": 0.0},
    ],
    "audit": {"counterfactual": True},
}
"""Models that take a step, one with a certificate."""


def test_steps_are_certified_where_a_secret_hides_what_is_left(tmp_path: Path) -> None:
    done = run(Scenario.parse(STEPS), tmp_path)
    by_peer = {peer: [one for one in done.results["erasures"] if one["peer"] == peer] for peer in (0, 1)}
    assert {(one["guarantee"], one["method"]) for one in by_peer[0]} == {("certified(1, 0.0001)", "features_labels")}
    assert {(one["guarantee"], one["method"]) for one in by_peer[1]} == {("approximate", "features_labels")}
    assert all(one["max_abs_difference"] < 0.2 * one["max_abs_difference_nothing"] for one in done.results["erasures"])
    assert verify(done.folder) == []


def _as_before(real: Any) -> Any:
    """Return how a peer distils that sends its former seed again once rows of it have been corrected."""

    def distil(self: Peer) -> int:
        if self.update is None or not self.corrections:
            return int(real(self))
        self.update = Update(self.update.version + 1, self.update.blob)
        return 0

    return distil


def test_a_seed_from_before_a_correction_is_found_where_nothing_is_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Scenario.parse(
        STEPS | {"peers": STEPS["peers"] | {"main": [{"kind": "features_labels"}]}, "event": STEPS["event"][:1], "audit": {}}
    )
    right = examine(run(asked, tmp_path / "right").folder)
    assert (right.problems, right.not_checked) == ((), ())
    monkeypatch.setattr(Peer, "distil", _as_before(Peer.distil))
    faulty = run(asked, tmp_path / "wrong")
    monkeypatch.undo()
    found = verify(faulty.folder)
    assert [line for line in found if "its seed is not the one that its main model distils" in line]
    monkeypatch.setattr("simulator.tasks.classification.hdus.seeds.alike_here", lambda store: False)
    elsewhere = examine(faulty.folder)
    assert elsewhere.problems == ()
    assert [line for line in elsewhere.not_checked if "bits come out otherwise here" in line]


@pytest.mark.slow
@pytest.mark.parametrize(
    "engine", [{"kind": "ray", "workers": 2}, {"kind": "grpc"}, {"kind": "flower", "workers": 2}], ids=lambda one: one["kind"]
)
def test_every_engine_corrects_alike(tmp_path: Path, engine: dict[str, Any]) -> None:
    quiet = {"audit": {"counterfactual": False, "membership_inference": False, "relearn": False}}
    sums = {name: value for name, value in SMALL.items() if name not in ("topology", "training", "distillation")} | quiet
    sums |= {"federation": {"kind": "sums", "model": {"kind": "certified_removal", "sigma": 0.5}}, "peers": {"count": 3}}
    sums |= {"event": [{"round": 2, "do": "correct", "peers": [0, 1], "rows": {"fraction": 0.3}, "label": "benign"}]}
    for number, one in enumerate((SMALL | {"event": EVENTS}, STEPS, sums)):
        inline, other = (run(Scenario.parse(one | quiet | more), tmp_path / f"{number}{len(more)}") for more in ({}, {"engine": engine}))
        assert inline.digest == other.digest
        assert verify(other.folder) == []


def _untouched(self: Correcting, change: Tensor) -> Outcome:
    """Say that a step was taken, and that nothing is left."""
    self.bound = 0.0
    return self.certified(1)


def test_a_step_that_was_not_taken_is_refused_by_its_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Correcting, "_stepped", _untouched)
    main = [{"kind": "features_labels", "sigma": 0.001}]
    done = run(Scenario.parse(STEPS | {"peers": STEPS["peers"] | {"main": main}, "event": STEPS["event"][:1], "audit": {}}), tmp_path)
    assert done.results["verdict"]["name"] == "disproved"
    assert any("its certificate does not hold: the residual is" in line for line in verify(done.folder))
