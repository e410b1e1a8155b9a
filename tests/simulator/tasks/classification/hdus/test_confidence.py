"""Confidence by agreement between shards and between an ensemble's members: counted, calibrated, told, checked, in no digest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from clients import data
from clients.classification.hdus.agreement import agreement, agreements
from clients.classification.hdus.peer import Peer
from clients.unlearning.exact.graph.aggregation import mixture
from simulator.report.classification.page import CONFIDENCE, ClassificationPage, Own
from simulator.report.collect import collect
from simulator.runs.run import Run
from simulator.tasks.classification.hdus.confidence import BINS, findings
from tests.clients.unlearning.test_contract import BASES, case_of

pytestmark = pytest.mark.reports

CLASSES = np.array([0, 1, 1])


def answers(*named: int) -> Any:
    return np.eye(3)[list(named)]


def test_members_that_name_what_the_ensemble_names_are_counted() -> None:
    found = agreement([answers(0, 1, 2), answers(0, 2, 2), answers(0, 1, 0)], answers(0, 1, 2), CLASSES)
    assert found is not None
    assert (found.members, found.answers, found.right) == (3, (0, 0, 2, 1), (0, 0, 1, 1))


def test_of_equally_probable_classes_the_lowest_is_named() -> None:
    even = np.full((3, 3), 1 / 3)
    found = agreement([even, even], answers(0, 0, 1), CLASSES)
    assert found is not None
    assert found.answers == (1, 0, 2)


def test_one_model_has_no_agreement() -> None:
    assert agreement([answers(0, 1, 2)], answers(0, 1, 2), CLASSES) is None
    assert case_of("retrain").fit().predict_shards(case_of("retrain").of.data.x) == []


def counted(peer: int, name: str, answers: list[int], right: list[int]) -> dict[str, Any]:
    return {"peer": peer, name: {"members": len(answers) - 1, "answers": answers, "right": right}}


def test_a_calibrated_ensemble_has_no_error_and_a_sure_wrong_one_has_all() -> None:
    good = findings([counted(0, "ensemble", [0, 10, 20], [0, 5, 20])])["confidence"]["ensembles"]
    assert good["error"] == 0.0
    assert good["curve"] == [{"answers": 10, "agreement": 0.5, "accuracy": 0.5}, {"answers": 20, "agreement": 1.0, "accuracy": 1.0}]
    assert (good["answers"], good["accuracy"]) == (30, pytest.approx(25 / 30))
    sure = findings([counted(0, "shards", [0, 0, 8], [0, 0, 0])])["confidence"]
    assert list(sure) == ["shards"]
    assert sure["shards"]["error"] == 1.0
    assert findings([{"peer": 0}]) == {}


def test_peers_with_other_numbers_of_members_share_ranges_of_agreement() -> None:
    three, two = counted(0, "ensemble", [0, 0, 0, 6], [0, 0, 0, 3]), counted(1, "ensemble", [4, 0, 2], [0, 0, 2])
    curve = findings([three, two])["confidence"]["ensembles"]["curve"]
    assert curve == [{"answers": 4, "agreement": 0.0, "accuracy": 0.0}, {"answers": 8, "agreement": 1.0, "accuracy": 5 / 8}]
    assert len(curve) <= BINS


def test_shards_of_a_graph_answer_apart_what_learned_weights_join() -> None:
    case = case_of("grapheraser")
    model, x = case.fit(), case.of.data.x[:20].toarray()
    apart = np.stack(model.predict_shards(x))
    assert len(apart) == 3
    assert np.array_equal(mixture(apart, model.weights), model.predict_proba(x))
    untrained = case.spec.build(case.of.problem, ())
    untrained.begin(case.of.data)
    assert untrained.predict_shards(x) == []


@pytest.mark.parametrize("name", ["networks", "unlearners"])
def test_shards_answer_apart_what_the_mean_joins(name: str) -> None:
    case = case_of("sisa") if name == "networks" else BASES["naive_bayes"]()
    model, x = case.fit(), case.of.data.x
    apart = model.predict_shards(x)
    assert len(apart) == 3
    assert np.array_equal(np.sum(apart, axis=0, dtype=np.float32) / np.float32(3), model.predict_proba(x))
    untrained = case.spec.build(case.of.problem, ())
    untrained.begin(case.of.data)
    assert untrained.predict_shards(x) == []


def test_results_tell_it_of_ensembles_and_of_shards(finished: Run) -> None:
    told = finished.results["confidence"]
    live = {number: peer for number, peer in finished.peers().items() if isinstance(peer, Peer)}
    assert [row["peer"] for row in told["ensembles"]["peers"]] == sorted(live)
    for row in told["ensembles"]["peers"]:
        peer = live[row["peer"]]
        assert row["members"] == 1 + len(peer.held)
        source, test = data.load(peer.config.data), np.asarray(peer.config.test)
        right = peer.predict_proba(source.x[test]).argmax(axis=1) == source.y[test]
        assert (row["answers"], row["accuracy"]) == (len(test), pytest.approx(right.mean()))
    sharded = [number for number, peer in live.items() if "sisa" in peer.config.model]
    assert [row["peer"] for row in told["shards"]["peers"]] == sharded
    assert 0 < told["ensembles"]["agreement"] <= 1


def test_a_seed_that_is_dropped_has_no_voice(finished: Run) -> None:
    peer = next(peer for peer in finished.peers().values() if isinstance(peer, Peer) and len(peer.held) > 1)
    before = agreements(peer)["ensemble"]
    peer.drop([next(iter(peer.held))])
    after = agreements(peer)["ensemble"]
    assert after.members == before.members - 1
    peer.drop(list(peer.held))
    assert "ensemble" not in agreements(peer)


def test_the_report_draws_the_curve_and_nothing_where_it_was_not_measured(finished: Run) -> None:
    report, page = collect(finished.folder), ClassificationPage()
    shown = CONFIDENCE.view(report, page)
    assert shown is not None
    assert [row["name"] for row in shown["rows"]] == ["ensembles", "shards"]
    assert all("calibration error" in picture for picture in shown["chart"])
    assert 'id="confidence"' in (finished.folder / "report.html").read_text(encoding="utf-8")
    assert CONFIDENCE.view(replace(report, own=Own()), page) is None
