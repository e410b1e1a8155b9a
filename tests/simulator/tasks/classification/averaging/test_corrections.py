"""Corrections where a server averages classifiers: rounds are played again with what is right, or a holder's change is taken whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients.classification.averaging.peer import AveragedClassifierPeer
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


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    asked = Scenario.parse(SMALL | {"event": [LABEL]})
    folder = prepare(asked, tmp_path / "killed")
    with pytest.raises(KeyboardInterrupt):
        resume(folder, Impatient(3))
    assert resume(folder).digest == run(asked, tmp_path / "whole").digest


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({**LABEL, "method": "ssd"}, "ssd cannot be carried out for correction in classification/fedavg: take one of retrain, rollback, "),
        ({**LABEL, "method": "repair"}, "repair cannot be carried out for correction"),
        ({**LABEL, "label": 10}, "10"),
    ],
)
def test_what_cannot_be_is_answered_in_one_line(event: dict[str, Any], words: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        resolve(Scenario.parse(SMALL | {"event": [event]}))
    (line,) = str(raised.value).splitlines()
    assert words in line
