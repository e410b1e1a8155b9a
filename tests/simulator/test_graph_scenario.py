"""Peers that hold parts of a graph: nodes are rows, a peer learns from the edges among its own, and forgets nodes and edges exactly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp

from clients.classification.hdus.peer import Peer
from clients.data import load
from clients.data.citations import Citations
from clients.data.graphs import among, around
from clients.streams import bottom
from simulator.errors import ScenarioError
from simulator.runner import run
from simulator.runs.verify import verify
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.tasks.classification.hdus.costs import costs

FILE = Path(__file__).parents[2] / "experiments" / "scenarios" / "citations.toml"
ERASER: dict[str, Any] = {"kind": "grapheraser", "shards": 2, "hidden": 8, "epochs": 10}
BLOCKS, SIZE = 3, 60


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three communities whose nodes share some words; every 30th node has no label."""
    drawn = nx.planted_partition_graph(BLOCKS, SIZE, 0.15, 0.01, seed=2)
    y = np.repeat(np.arange(BLOCKS), SIZE)
    chance = np.random.default_rng(5)
    x = sp.csr_matrix((chance.random((len(y), 12)) < np.where(np.arange(12) % BLOCKS == y[:, None], 0.35, 0.15)).astype(np.float32))
    y[::30] = -1
    file = tmp_path_factory.mktemp("graph") / "blocks.npz"
    np.savez(file, x_data=x.data, x_indices=x.indices, x_indptr=x.indptr, x_shape=x.shape, edges=np.array(drawn.edges), y=y)
    return file


@pytest.fixture
def scenario(path: Path) -> Callable[..., Scenario]:
    def build(**changes: Any) -> Scenario:
        mains = [
            ERASER,
            {"kind": "linear"},
            ERASER | {"network": "sage", "partition": "keyed", "aggregate": "mean"},
            {"kind": "naive_bayes"},
        ]
        table = {
            "name": "blocks",
            "seed": 2,
            "rounds": 3,
            "data": {"dataset": "citations", "path": str(path), "reference": 20, "test": 30, "partition": {"kind": "communities"}},
            "peers": {"count": 5, "main": mains, "seed": {"kind": "linear"}},
            "training": {"epochs": 2},
            "distillation": {"epochs": 5},
            "topology": {"kind": "ring", "on_leave": "bridge"},
            "event": [
                {"round": 2, "do": "leave", "peers": [4], "erase": True},
                {"round": 3, "do": "delete", "peers": [0, 1, 2, 3], "rows": {"fraction": 0.1}},
                {"round": 2, "do": "delete", "peers": [0, 2], "edges": 3},
            ],
            "audit": {"membership_inference": True},
        }
        return Scenario.parse(table | changes)

    return build


def test_nodes_without_a_label_are_left_out_with_their_edges(path: Path) -> None:
    data = load(Citations(path=str(path)))
    assert (len(data), data.classes) == (BLOCKS * SIZE - 6, BLOCKS)
    assert (data.edges[:, 0] < data.edges[:, 1]).all()
    assert data.edges.max() < len(data)
    assert data.notes == (f"6 nodes without a label are left out, with their edges; the others are numbered anew, 0 to {len(data) - 1}",)
    with np.load(path) as file:
        left = np.flatnonzero(file["y"] >= 0)
        wanted = {tuple(sorted(edge)) for edge in file["edges"].tolist() if np.isin(edge, left).all()}
    assert {tuple(edge) for edge in left[data.edges].tolist()} == wanted


def test_a_limit_on_rows_keeps_the_edges_among_them(path: Path) -> None:
    whole, part = load(Citations(path=str(path))), load(Citations(path=str(path), rows=90))
    kept = np.sort(bottom(90, range(len(whole)), "rows"))
    np.testing.assert_array_equal(part.x, whole.x[kept])
    np.testing.assert_array_equal(kept[part.edges], whole.edges[np.isin(whole.edges, kept).all(axis=1)])
    assert 0 < len(part.edges) < len(whole.edges)


def test_a_peer_learns_from_its_own_edges_and_is_asked_with_those_that_reach_out(scenario: Callable[..., Scenario]) -> None:
    config = resolve(scenario()).configs[0]
    data = load(config.data)
    own, asked = np.array(config.rows), np.array(config.test)
    learned, question = among(data, own), around(data, asked)
    assert np.isin(learned.edges, own).all()
    assert len(learned.edges) == sum(a in set(config.rows) and b in set(config.rows) for a, b in data.edges.tolist()) > 0
    assert np.isin(question.edges, asked).any(axis=1).all()
    assert np.isin(question.edges, own).any(), "some reach into the peer's own part"
    assert (question.y == -1).all(), "labels are not told"


def test_edges_to_own_nodes_matter_for_an_answer(scenario: Callable[..., Scenario]) -> None:
    config = resolve(scenario()).configs[0]
    peer = Peer.new(config)
    peer.train()
    test = np.array(config.test)
    assert np.abs(peer.answers(test) - peer.predict_main(load(config.data).x[test])).max() > 1e-3


def test_communities_keep_more_edges_than_chance(scenario: Callable[..., Scenario]) -> None:
    def within(partition: dict[str, Any]) -> int:
        table = scenario().model_dump(mode="json")["data"] | {"partition": partition}
        configs = resolve(scenario(data={key: value for key, value in table.items() if value is not None})).configs
        return sum(len(among(load(config.data), np.array(config.rows)).edges) for config in configs)

    assert within({"kind": "communities"}) > 1.5 * within({"kind": "iid"})


def test_departure_and_deletions_of_nodes_and_edges_are_exact(scenario: Callable[..., Scenario], tmp_path: Path) -> None:
    finished = run(scenario(), tmp_path)
    assert finished.results["incidents"] == []
    departure, *deletions = finished.results["erasures"]
    told = [(row["kind"], row["method"]) for row in deletions]
    assert told[:2] == [("edges", "grapheraser")] * 2
    assert told[2:] == [("rows", method) for method in ("grapheraser", "retrain", "grapheraser", "naive_bayes")]
    for row in (departure, *deletions):
        assert (row["guarantee"], row["max_abs_difference"]) == ("exact", 0.0)
        assert row["max_abs_difference_nothing"] > 0.0
        assert row["mia_auc"] == row["mia_auc_counterfactual"]
    cost = costs(resolve(scenario()))
    steps = sum(row["gradient_steps"] for row in finished.results["timeline"])
    assert 0.9 * steps <= cost.main_steps + cost.seed_steps <= 1.1 * steps, "about as foretold"
    assert 0 < sum(row["gradient_steps"] for row in deletions) <= cost.forget_steps
    assert verify(finished.folder) == []


@pytest.mark.slow
def test_ray_gives_the_digest_of_inline(scenario: Callable[..., Scenario], tmp_path: Path) -> None:
    plain = {"audit": {"counterfactual": False}}
    ray = run(scenario(**plain, engine={"kind": "ray", "workers": 2}), tmp_path / "ray")
    assert ray.digest == run(scenario(**plain), tmp_path / "inline").digest


def test_a_frozen_partition_does_not_claim_to_be_exact_and_is_not(scenario: Callable[..., Scenario], tmp_path: Path) -> None:
    frozen = ERASER | {"leakage": "frozen"}
    delete = {"round": 3, "do": "delete", "peer": 0, "rows": {"fraction": 0.3}}
    (row,) = run(scenario(peers={"count": 3, "main": [frozen], "seed": {"kind": "linear"}}, event=[delete]), tmp_path).results["erasures"]
    assert row["guarantee"] != "exact"
    assert row["max_abs_difference"] != 0.0


def test_communities_need_edges_and_enough_nodes(scenario: Callable[..., Scenario]) -> None:
    plain = {"dataset": "wine", "reference": 20, "test": 30, "partition": {"kind": "communities"}}
    with pytest.raises(ScenarioError) as error:
        resolve(scenario(data=plain, peers={"count": 3, "main": [{"kind": "linear"}], "seed": {"kind": "linear"}}, event=[], audit={}))
    assert error.value.lines == (
        "scenario: data.partition: the data set has no edges, so no communities: take another kind of partition, or dataset = 'citations'",
    )


@pytest.mark.slow
def test_cora_in_communities(shared_data: Path, tmp_path: Path) -> None:
    few = [f"data.path='{shared_data / 'cora.npz'}'", "rounds=2", *(f"event.{i}.round=2" for i in range(3)), "expect.0.after=2"]
    few += ["peers.main.0.epochs=10", "peers.main.2.epochs=10", "distillation.epochs=5", "training.epochs=1"]
    finished = run(Scenario.load(FILE, few), tmp_path)
    assert {row["max_abs_difference"] for row in finished.results["erasures"]} == {0.0}
    assert min(row["max_abs_difference_nothing"] for row in finished.results["erasures"]) > 0.0
    assert all(one["met"] for one in finished.results["expectations"])
    assert verify(finished.folder) == []
