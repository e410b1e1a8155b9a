"""Precision, recall and F1 by class: counted once, as scikit-learn has them, told in results and report, checked by verify."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from clients import data
from clients.classification.hdus.peer import Peer
from simulator.report.classification.page import CLASSES, ClassificationPage
from simulator.report.collect import collect
from simulator.report.render import render
from simulator.runner import run
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.scenario import Scenario
from simulator.storage.store import RunStore
from simulator.tasks.classification.by_class import KEY, confusion, findings

Y = np.array([0, 0, 1, 1, 1, 2])
NAMED = np.array([0, 1, 1, 1, 0, 0])


def test_figures_are_those_of_scikit_learn() -> None:
    told = findings([{"peer": 4, "main": confusion(Y, np.eye(4)[NAMED], 4)}], ("a", "b", "c", "d"))[KEY]
    main = told["models"]["main models"]
    assert main["confusion"][:3] == [[1, 1, 0, 0], [1, 2, 0, 0], [1, 0, 0, 0]]
    for name, score in (("precision", precision_score), ("recall", recall_score), ("F1", f1_score)):
        wanted = score(Y, NAMED, average=None, zero_division=0)
        assert [one[name] for one in main["classes"]] == pytest.approx(wanted.tolist())
        assert main[name] == pytest.approx(wanted.mean()), "a class without a test row has no part"
        assert told["peers"][0]["main models"][name] == pytest.approx(wanted.mean())
    assert [(one["class"], one["n"]) for one in main["classes"]] == [("a", 2), ("b", 3), ("c", 1)]
    assert findings([], ()) == {}


def test_of_several_peers_figures_are_means_and_counts_sums() -> None:
    rows = [{"peer": 0, "main": [[2, 0], [0, 2]]}, {"peer": 1, "main": [[2, 0], [2, 0]]}]
    main = findings(rows, ("a", "b"))[KEY]["models"]["main models"]
    assert main["confusion"] == [[4, 0], [2, 2]]
    assert [one["recall"] for one in main["classes"]] == [1.0, 0.5]
    assert main["recall"] == 0.75


def test_a_run_tells_them_and_its_report_names_the_worst_class(finished: Run) -> None:
    told = finished.results[KEY]
    peer = finished.peers()[0]
    assert isinstance(peer, Peer)
    (own,) = (row for row in told["peers"] if row["peer"] == 0)
    test = np.asarray(peer.config.test)
    y, answers = data.load(peer.config.data).classes_of(test), peer.answers(test).argmax(axis=1)
    wanted = recall_score(y, answers, labels=np.unique(y), average="macro", zero_division=0)
    assert own["main models"]["recall"] == pytest.approx(wanted)
    page = collect(finished.folder)
    view = CLASSES.view(page, ClassificationPage())
    assert view is not None
    text = render(page)
    assert "Class by class" in text
    assert f"{view['models'][0]['worst']['class']}: " in text


def test_one_model_of_all_rows_has_them_too_and_other_counts_are_found(tmp_path: Path, forge: Callable[[Path], None]) -> None:
    table = {"name": "pooled", "seed": 5, "rounds": 1, "peers": {"count": 3}, "audit": {"counterfactual": False}}
    table |= {"federation": {"kind": "sums", "model": {"kind": "naive_bayes"}}}
    table |= {"data": {"dataset": "digits", "rows": 200, "reference": 10, "test": 60, "partition": {"kind": "iid"}}}
    done = run(Scenario.parse(table), tmp_path)
    told = done.results[KEY]
    assert list(told["models"]) == ["model"]
    assert np.sum(told["models"]["model"]["confusion"]) == 60
    right = np.trace(told["models"]["model"]["confusion"]) / 60
    assert right == pytest.approx(done.results["accuracy"]["global"]["ensemble"])
    assert verify(done.folder) == []
    changed(done.folder, "model", forge)
    assert any(f"as its {KEY} says" in line for line in verify(done.folder))


def changed(folder: Path, model: str, forge: Callable[[Path], None]) -> None:
    """Change a count in the ledger, and make all hashes fit again."""
    with closing(RunStore(folder)) as store:
        counted = json.loads(str(store.meta(KEY)))
        counted[0][model][0][0] += 1
        store.set_meta(KEY, json.dumps(counted))
    forge(folder)


def test_the_control_other_counts_than_the_models_give_are_found(finished: Run, tmp_path: Path, forge: Callable[[Path], None]) -> None:
    folder = shutil.copytree(finished.folder, tmp_path / "forged")
    changed(folder, "main", forge)
    assert any("do not answer the test rows as its by_class says" in line for line in verify(folder))
