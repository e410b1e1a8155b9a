"""Spikes and thresholds before and after requests: seen in the runs beside an erasure, told in results and report, in no digest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients import data
from clients.classification.hdus.peer import Peer
from clients.models.spikes import SpikingNetwork
from clients.training import from_arrays
from clients.unlearning.plain import Plain
from simulator.report.classification.page import SPIKES, ClassificationPage
from simulator.report.collect import collect
from simulator.report.render import render
from simulator.runner import run
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.scenario import Scenario

SPIKING: dict[str, Any] = {"kind": "spiking", "hidden": [12], "steps": 4}
METHOD = {"kind": "spiking", "repair": 0, "gain": 5.0}
SMALL: dict[str, Any] = {
    "name": "firing",
    "seed": 3,
    "rounds": 2,
    "data": {"dataset": "digits", "rows": 150, "reference": 20, "test": 30, "partition": {"kind": "iid"}},
    "peers": {"count": 2, "main": [{"kind": "approximate", "base": SPIKING, "method": METHOD}, SPIKING], "seed": {"kind": "linear"}},
    "training": {"epochs": 2},
    "distillation": {"epochs": 1},
    "topology": {"kind": "complete"},
    "event": [{"round": 2, "do": "delete", "peer": peer, "rows": {"label": 3}} for peer in (0, 1)],
}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(Scenario.parse(SMALL), tmp_path_factory.mktemp("runs"))


def test_thresholds_are_those_before_and_after_and_spikes_those_of_the_model(played: Run) -> None:
    asked, exact = played.results["firing"]
    assert [asked["peer"], exact["peer"]] == [0, 1]
    assert list(asked["runs"]) == ["before the request", "at the end", "never there"]
    before, after = (np.array(asked["runs"][name]["thresholds"]) for name in ("before the request", "at the end"))
    assert before.tolist() == [1.0] * 12
    assert (after >= before).all()
    assert (after > before).any()
    peer = played.peers()[0]
    assert isinstance(peer, Peer)
    assert isinstance(peer.main, Plain)
    module = peer.main.network.build(("again",))
    assert isinstance(module, SpikingNetwork)
    from_arrays(module, peer.main.weights)
    source = data.load(peer.config.data)
    for row, spikes in zip(asked["rows"], asked["runs"]["at the end"]["spikes"], strict=True):
        assert row["id"] in peer.config.test, "no private row is shown"
        trains = module.run(peer.main.network.inputs(source.inputs(np.array([row["id"]]))))[1]
        assert trains[0][:, 0].nonzero().tolist() == spikes
    assert [source.labels[source.classes_of([row["id"]])[0]] for row in asked["rows"]] == [row["class"] for row in asked["rows"]]
    assert asked["rows"][0]["class"] == "3"
    assert exact["runs"]["at the end"] == exact["runs"]["never there"], "trained again: spike for spike"
    assert verify(played.folder) == []


def test_the_report_shows_them(played: Run) -> None:
    page = collect(played.folder)
    view = SPIKES.view(page, ClassificationPage())
    assert view is not None
    after = np.array(played.results["firing"][0]["runs"]["at the end"]["thresholds"])
    assert f"Thresholds at the end: {(after > 1).sum()} of 12 are higher, the highest is" in view["shown"][0]["caption"]
    text = render(page)
    assert "higher" not in view["shown"][1]["caption"], "of an exact request nothing is known before it"
    assert "Spikes and thresholds, before and after" in text
    assert "Spikes and thresholds of peer 0 in 3 runs" in text


def test_the_control_where_no_neuron_spikes_or_no_run_is_played_beside_nothing_is_told(finished: Run, tmp_path: Path) -> None:
    assert "firing" not in finished.results
    assert SPIKES.view(collect(finished.folder), ClassificationPage()) is None
    bare = run(Scenario.parse(SMALL | {"audit": {"counterfactual": False}}), tmp_path)
    assert "firing" not in bare.results
