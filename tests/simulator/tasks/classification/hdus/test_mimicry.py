"""How well each seed mimics its main model: in results and report, checked by `lethe verify`, in no digest."""

from __future__ import annotations

from typing import Any

import numpy as np

from clients import data, wire
from clients.classification.hdus.distillation import Distillation
from clients.classification.hdus.mimicry import mimicry
from clients.classification.hdus.peer import COUNTS, Peer
from clients.training import Adam
from simulator.report.classification.page import ClassificationPage
from simulator.report.collect import collect
from simulator.report.writing import page as report_of
from simulator.runs.results import results
from simulator.runs.run import Run
from simulator.storage.reading import reading


def peers(run: Run) -> dict[int, Any]:
    return {number: peer for number, peer in run.peers().items() if isinstance(peer, Peer)}


def test_results_tell_of_each_live_peer_how_its_seed_answers(finished: Run) -> None:
    told = {row["peer"]: row for row in finished.results["seeds"]}
    assert sorted(told) == [0, 1, 2, 3, 5]
    for number, peer in peers(finished).items():
        source, test = data.load(peer.config.data), np.asarray(peer.config.test)
        weights = wire.from_bytes(peer.update.blob)
        weights.pop(COUNTS)
        seed, main = (answers.argmax(axis=1) for answers in (peer.seed_network.probabilities(weights, source.x[test]), peer.answers(test)))
        expected = {"agreement": (seed == main).mean(), "main": (main == source.y[test]).mean(), "seed": (seed == source.y[test]).mean()}
        assert {key: told[number][key] for key in expected} == expected
    alone = finished.metrics.query("name == 'accuracy.global.main' and round == 5 and peer >= 0").set_index("peer")["value"]
    assert {peer: row["main"] for peer, row in told.items()} == alone.to_dict()


def test_a_seed_that_was_distilled_longer_agrees_more(finished: Run) -> None:
    peer = peers(finished)[1]
    short = mimicry(peer)
    peer.config = peer.config.model_copy(update={"distillation": Distillation(epochs=100, optimizer=Adam(lr=0.03))})
    peer.distil()
    long = mimicry(peer)
    assert short is not None
    assert long is not None
    assert long.agreement > short.agreement + 0.2
    assert long.main == short.main
    peer.update = None
    assert mimicry(peer) is None


def test_what_is_told_of_seeds_is_checked_and_in_no_digest(finished: Run) -> None:
    from simulator.tasks.contract import cell_of

    with reading(finished.folder) as store:
        cell, digest = cell_of(finished.plan), store.digest()
        assert list(cell.problems(finished.plan, store)) == []
        said = "run.sqlite: seeds and main models do not answer the test rows as its {} says"
        told: dict[str, str | None] = {"mimicry": '[{"peer": 0, "agreement": 1.0, "main": 1.0, "seed": 1.0}]'}
        meta, changed = store.meta, type("Changed", (), {})()
        changed.meta = lambda key: told.get(key, meta(key))
        for name in ("states", "mailbox", "artefact", "rows"):
            setattr(changed, name, getattr(store, name))
        assert list(cell.problems(finished.plan, changed)) == [said.format("mimicry")]
        told = {"mimicry": meta("mimicry"), "confidence": "[]"}
        assert list(cell.problems(finished.plan, changed)) == [said.format("confidence")]
        told = {"mimicry": None, "confidence": None, "by_class": None}
        assert list(cell.problems(finished.plan, changed)) == [], "a run from before it was measured"
        assert cell.findings(finished.plan, changed) == {}
        assert results(finished.plan, store)["digest"] == digest


def test_the_report_tells_it_peer_by_peer(finished: Run) -> None:
    report = collect(finished.folder)
    columns = dict(ClassificationPage().peer_columns(report))
    texts = [columns["seed agrees with main"](row) for row in report.peers]
    assert texts[4] == "not measured", "peer 4 has left"
    assert all(text.endswith("%") for place, text in enumerate(texts) if place != 4)
    assert "A seed agrees with its main model" in ClassificationPage().about_peers(report)
    assert "seed agrees with main" in report_of(finished.folder)
