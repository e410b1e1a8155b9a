"""Corrections where a server averages classifiers: rounds are played again with what is right, or a holder's change is taken whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients.classification.averaging.peer import AveragedClassifierPeer
from clients.unlearning.deep.importance import squares
from simulator.errors import ScenarioError
from simulator.runner import prepare, resume, run
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from tests.simulator.tasks.classification.averaging.test_by_peers import SCRUB, SMALL, Played, bytes_of
from tests.simulator.tasks.classification.averaging.test_by_peers import play as play
from tests.simulator.tasks.classification.sums.impatient import Impatient

LABEL: dict[str, Any] = {"round": 3, "do": "correct", "peer": 1, "rows": {"fraction": 0.3}, "label": 3}
CELL: dict[str, Any] = {"round": 3, "do": "correct", "peers": [0, 2], "feature": "mean radius", "value": 0.5, "method": "rollback"}


def played(folder: Path, *events: dict[str, Any], **changes: Any) -> Run:
    audit = {"counterfactual": True, "membership_inference": False, "relearn": False}
    return run(Scenario.parse(SMALL | {"audit": audit, "event": list(events)} | changes), folder)


@pytest.mark.parametrize(("event", "dataset"), [(LABEL, "digits"), (CELL, "breast_cancer")], ids=["labels, again", "a column, back"])
def test_rounds_that_are_played_again_are_those_in_which_rows_were_always_right(event: Any, dataset: str, tmp_path: Path) -> None:
    delete = {"round": 4, "do": "delete", "peer": 1, "rows": {"fraction": 0.1}}
    done = played(tmp_path, event, delete, data=SMALL["data"] | {"dataset": dataset})
    assert {row["kind"]: row["guarantee"] for row in done.results["erasures"]} == {"correction": "exact", "rows": "exact"}
    assert {row["max_abs_difference"] for row in done.results["erasures"]} == {0.0}
    assert all(row["max_abs_difference_nothing"] > 0 for row in done.results["erasures"])
    assert verify(done.folder) == []


def test_without_a_method_it_is_retrained_and_finetune_is_not_exact(tmp_path: Path) -> None:
    (row,) = played(tmp_path / "usual", LABEL).results["erasures"]
    assert (row["method"], row["guarantee"], row["max_abs_difference"]) == ("retrain", "exact", 0.0)
    (row,) = played(tmp_path / "fine", {**LABEL, "method": "finetune"}).results["erasures"]
    assert row["guarantee"] == "approximate"
    assert row["max_abs_difference"] > 0


def test_a_correction_that_peers_do_not_learn_from_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = AveragedClassifierPeer.correct

    def forgetful(self: Any, corrections: Any) -> Any:
        kept = self.corrections
        outcome = real(self, corrections)
        self.corrections = kept
        return outcome

    monkeypatch.setattr(AveragedClassifierPeer, "correct", forgetful)
    done = played(tmp_path, LABEL)
    assert done.results["erasures"][0]["max_abs_difference"] > 0
    assert done.results["verdict"]["name"] == "disproved"
    assert verify(done.folder) != []


def test_the_change_of_who_corrects_is_taken_whole(play: Callable[..., Played]) -> None:
    done, seen = play("scrub", {**LABEL, "method": SCRUB})
    (call,), (erasure,) = seen.calls, done.plan.timeline.erasures
    assert bytes_of(seen.after[0]) == bytes_of(call["found"]) != bytes_of(call["weights"])
    assert tuple(call["forget"].ids) == erasure.rows
    assert not (call["forget"].y == 3).any(), "what is forgotten is what the rows held"
    right = call["retain"].only(np.array(erasure.rows))
    assert (right.y == 3).all()
    assert {one["guarantee"] for one in done.results["erasures"]} == {"approximate"}
    assert verify(done.folder) == []


def test_sums_count_rows_as_they_were_to_forget_and_as_they_will_be_to_retain(play: Callable[..., Played]) -> None:
    done, seen = play("ssd", {**LABEL, "method": {"kind": "ssd", "alpha": 2}})
    (call,), (erasure,) = seen.calls, done.plan.timeline.erasures
    everybody = sum(len(config.rows) for config in done.plan.configs)
    assert (int(call["totals"]["forget/#"]), int(call["totals"]["retain/#"])) == (len(erasure.rows), everybody)
    ((forget, retain),) = (one for one in seen.measured if len(one[0]))
    assert tuple(forget.ids) == erasure.rows
    assert not (forget.y == 3).any()
    right = retain.only(np.array(erasure.rows))
    assert len(right) == len(forget)
    assert (right.y == 3).all()
    whole: dict[str, Any] = {}
    for one in seen.measured:
        sums = squares(call["weights"], call["learning"], dict(zip(("forget", "retain"), one, strict=True)))
        whole = {name: whole.get(name, 0) + array for name, array in sums.items()}
    assert bytes_of(whole) == bytes_of(call["totals"])
    assert bytes_of(call["found"]) != bytes_of(call["weights"])
    assert verify(done.folder) == []


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    asked = Scenario.parse(SMALL | {"event": [LABEL]})
    folder = prepare(asked, tmp_path / "killed")
    with pytest.raises(KeyboardInterrupt):
        resume(folder, Impatient(3))
    assert resume(folder).digest == run(asked, tmp_path / "whole").digest


@pytest.mark.slow
@pytest.mark.parametrize(
    "engine", [{"kind": "ray", "workers": 2}, {"kind": "grpc"}, {"kind": "flower", "workers": 2}], ids=lambda one: one["kind"]
)
def test_every_engine_corrects_alike(tmp_path: Path, engine: dict[str, Any]) -> None:
    events = [{**LABEL, "method": "ssd"}, {**LABEL, "round": 4, "peer": 2, "label": 4, "method": SCRUB}]
    asked = SMALL | {"event": events, "data": SMALL["data"] | {"rows": 200}}
    inline, other = (run(Scenario.parse(asked | more), tmp_path / name) for name, more in (("inline", {}), ("other", {"engine": engine})))
    assert inline.digest == other.digest
    assert verify(other.folder) == []


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (
            [{**LABEL, "method": "ntk"}],
            "ntk cannot be carried out for correction in classification/fedavg: take one of retrain, ",
        ),
        ([{**LABEL, "label": 10}], "10"),
        (
            [{**LABEL, "method": "ssd"}, {"round": 3, "do": "delete", "peer": 1, "rows": {"fraction": 0.1}, "method": "ssd"}],
            "round 3: peer 1 has rows to delete and rows to correct, which ssd would measure together and change twice: move one",
        ),
        (
            [{**LABEL, "method": "scrub"}, {"round": 3, "do": "delete", "peer": 1, "rows": {"fraction": 0.1}, "method": "influence"}],
            "round 3: peer 1 has requests by scrub and by influence, of which a round carries out one",
        ),
    ],
)
def test_what_cannot_be_is_answered_in_one_line(event: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        resolve(Scenario.parse(SMALL | {"event": event}))
    (line,) = str(raised.value).splitlines()
    assert words in line
