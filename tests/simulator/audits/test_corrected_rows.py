"""Audits of rows that were corrected before they had to be forgotten look at them as the models learned them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from clients import data
from clients.data.rows import Rows
from server.audit.relearning import best_loss, relearning_steps
from server.timeline import Erasure
from simulator.audits.contract import NOTHING, ORIGINAL, RETRAINED, RUN, Branch
from simulator.audits.membership import _area
from simulator.runner import run
from simulator.runs.audits import _Branches
from simulator.runs.run import Run
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.storage.reading import reading

CAP = 30
SMALL: dict[str, Any] = {
    "rounds": 3,
    "data": {"dataset": "digits", "rows": 100, "reference": 20, "test": 60, "partition": {"kind": "iid"}},
    "peers": {"count": 2, "main": [{"kind": "mlp", "hidden": [12]}], "seed": {"kind": "linear"}},
    "training": {"epochs": 3, "batch_size": 16, "optimizer": {"kind": "adam", "lr": 0.01}},
    "distillation": {"epochs": 2},
    "topology": {"kind": "complete"},
    "audit": {"counterfactual": False, "membership_inference": True, "relearn": {"cap": CAP}},
}


@pytest.fixture(scope="module")
def relabelled(scenario: Callable[..., Scenario], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run in which rows were corrected to be of class 0 and then had to be forgotten."""
    rows = {"ids": list(resolve(scenario(**SMALL)).configs[0].rows)[::2]}
    events = [
        {"round": 2, "do": "correct", "peers": [0], "rows": rows, "label": "0"},
        {"round": 3, "do": "delete", "peers": [0], "rows": rows},
    ]
    return run(scenario(**SMALL, event=events), tmp_path_factory.mktemp("runs"))


@pytest.fixture
def branches(relabelled: Run) -> Iterator[_Branches]:
    erasure: Erasure = next(one for one in relabelled.plan.timeline.erasures if one.correction is None)
    with reading(relabelled.folder) as store:
        yield _Branches(relabelled.plan, store, lambda *_: None, erasure, (RUN,), {}, {})


def as_filed(branches: _Branches) -> Rows:
    return data.load(branches.plan.configs[0].data).rows(np.asarray(branches.erasure.rows))


def test_a_run_without_requests_had_nothing_corrected(branches: _Branches) -> None:
    assert all(not branches.learned(row).y.any() for row in (RUN, RETRAINED, ORIGINAL))
    assert branches.learned(NOTHING).y.tolist() == as_filed(branches).y.tolist()
    assert as_filed(branches).y.any()


def test_members_are_ranked_by_the_class_that_they_were_learned_with(relabelled: Run, branches: _Branches) -> None:
    found, ended = relabelled.results["erasures"][1]["mia_auc"], branches[RUN]
    assert found == _area(branches.learned(RUN), ended, [0])
    assert found != _area(as_filed(branches), ended, [0]), "the control: by the class in the data set it is another figure"


def test_rows_are_learned_again_with_the_class_that_they_were_learned_with(relabelled: Run, branches: _Branches) -> None:
    found, ended = relabelled.results["erasures"][1], _peer(branches[RUN])
    assert found["relearn_steps_nothing"] == 0
    right, wrong = (relearning_steps(ended, rows, best_loss(ended, rows) / 2, CAP) for rows in (branches.learned(RUN), as_filed(branches)))
    assert right != wrong, "the control: it matters with which class"


def _peer(branch: Branch) -> Any:
    return branch.peers[0]
