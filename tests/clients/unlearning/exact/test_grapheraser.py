from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp

from clients import wire
from clients.data.graphs import Graph, graph, load_graph
from clients.unlearning import UNLEARNERS
from clients.unlearning.contract import Problem, UnlearningError
from clients.unlearning.exact.graph.eraser import GraphEraserModel
from clients.unlearning.exact.graph.requests import Removal
from clients.unlearning.exact.graph.spec import GraphEraser
from tests.clients.unlearning.exact.sharded import begun, digest, kept_place

CLASSES = 3
PROBLEM = Problem((10,), CLASSES, rounds=2)
TINY: dict[str, Any] = {"shards": 5, "epochs": 2, "hidden": 4, "sample": 50}


def blocks(size: int = 80, seed: int = 1) -> Graph:
    drawn = nx.stochastic_block_model([size] * CLASSES, np.full((3, 3), 0.005) + np.eye(3) * 0.06, seed=seed)
    y = np.repeat(np.arange(CLASSES), size)
    x = np.random.default_rng(seed).normal(size=(len(y), 10)) + 2 * np.eye(10)[y]
    return graph(np.arange(len(y)) * 3 + 1, x, np.array(drawn.edges) * 3 + 1, y)


def made(data: Graph | None = None, place: np.ndarray | None = None, **options: Any) -> GraphEraserModel:
    model = GraphEraser(**{**TINY, **options}).build(PROBLEM, ("test", 0))
    return begun(model, data, place)


def retrained(model: GraphEraserModel, kept: Graph) -> GraphEraserModel:
    """The counterfactual: for a frozen partition, on the same partition without what left."""
    return made(kept, kept_place(model, model.graph.ids, kept.ids), **model.options.model_dump(exclude={"kind"}))


MODES = [
    {"partition": "keyed"},
    {"partition": "blpa", "leakage": "frozen"},
    {"partition": "bekm", "leakage": "frozen"},
    {"partition": "blpa"},
    {"partition": "bekm"},
]


def test_it_is_registered_and_says_what_it_forgets() -> None:
    spec = UNLEARNERS.load("grapheraser")
    assert (spec.unit, spec.guarantee) == ("nodes and edges", "exact")


@pytest.mark.parametrize(
    ("options", "guarantee"),
    [({"partition": "keyed", "leakage": "frozen"}, "exact"), ({"leakage": "frozen"}, "approximate"), ({"leakage": "repartition"}, "exact")],
)
def test_the_guarantee_follows_the_position_on_leakage(options: dict[str, Any], guarantee: str) -> None:
    spec = GraphEraser(**options)
    model = spec.build(PROBLEM, ())
    assert spec.guarantee == model.guarantee == guarantee
    assert ("same partition" in model.condition) == (guarantee == "approximate")


FEW = [(MODES[0], 20), (MODES[1], 10), (MODES[2], 10)]
MANY = [pytest.param(mode, count, marks=pytest.mark.slow) for mode, count in zip(MODES, (200, 60, 60), strict=False)]


@pytest.mark.parametrize(("options", "count"), [*FEW, *MANY])
def test_single_deletions_leave_the_bytes_of_a_retrained_model(options: dict[str, Any], count: int) -> None:
    data = blocks()
    model = made(data, **options)
    first = digest(model)
    gone = np.random.default_rng(5).permutation(data.ids)[:count]
    for node in gone:
        model.forget([int(node)])
    assert digest(model) == digest(retrained(model, data.without(gone))) != first


@pytest.mark.parametrize("options", MODES[3:])
def test_repartition_leaves_the_bytes_of_a_retrained_model(options: dict[str, Any]) -> None:
    data = blocks(40)
    model = made(data, **options)
    gone = np.random.default_rng(5).permutation(data.ids)[:10]
    for node in gone:
        model.forget([int(node)])
    assert digest(model) == digest(retrained(model, data.without(gone)))


def test_a_frozen_partition_differs_from_never_having_had_the_nodes() -> None:
    data = blocks()
    model = made(data, leakage="frozen")
    gone = data.ids[::5]
    model.forget(gone)
    assert digest(model) != digest(made(data.without(gone), leakage="frozen"))


@pytest.mark.parametrize("options", [MODES[0], *(pytest.param(mode, marks=pytest.mark.slow) for mode in MODES[1:])])
@pytest.mark.parametrize("network", ["gcn", "sage", "gat"])
def test_a_batch_of_a_tenth_and_its_parts_in_any_order_agree(options: dict[str, Any], network: str) -> None:
    data = blocks(40)
    gone = np.random.default_rng(6).permutation(data.ids)[: len(data) // 10]
    batch, parts = made(data, network=network, **options), made(data, network=network, **options)
    batch.forget(gone)
    for few in np.array_split(gone[::-1], 3):
        parts.forget(few)
    assert digest(batch) == digest(parts) == digest(retrained(batch, data.without(gone)))


@pytest.mark.parametrize("options", MODES)
def test_edges_are_forgotten(options: dict[str, Any]) -> None:
    data = blocks(40)
    model = made(data, **options)
    gone = data.edges[np.random.default_rng(7).permutation(len(data.edges))[:12]]
    for edge in gone:
        model.forget(Removal(edges=[edge[::-1]]))
    assert digest(model) == digest(retrained(model, data.without_edges(gone)))
    assert len(model.graph) == len(data)


def test_nodes_and_edges_in_one_request() -> None:
    data = blocks(40)
    model = made(data, partition="keyed")
    edge, node = data.edges[3], int(data.edges[3, 0])
    model.forget(Removal(nodes=[node], edges=[edge]))
    assert digest(model) == digest(made(data.without([node]), partition="keyed"))


def shards_that_differ(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> set[str]:
    names = {name for name in before if name.startswith("shard/")}
    return {name.split("/")[1] for name in names if before[name].tobytes() != after[name].tobytes()}


def test_only_the_shard_that_holds_a_node_or_both_ends_of_an_edge_changes() -> None:
    data = blocks()
    model = made(data, partition="keyed")
    before, node = model.state(), data.ids[40]
    home = str(model.place[40])
    assert model.forget([int(node)]).cost.parts == 1
    assert shards_that_differ(before, model.state()) == {home}

    model, place = made(data, partition="keyed"), dict(zip(data.ids.tolist(), model_places(data), strict=True))
    inside = next(e for e in data.edges.tolist() if place[e[0]] == place[e[1]])
    across = next(e for e in data.edges.tolist() if place[e[0]] != place[e[1]])
    before = model.state()
    assert model.forget(Removal(edges=[across])).cost.parts == 0
    assert shards_that_differ(before, model.state()) == set()
    assert model.forget(Removal(edges=[inside])).cost.parts == 1
    assert shards_that_differ(before, model.state()) == {str(place[inside[0]])}


def model_places(data: Graph) -> list[int]:
    return [int(s) for s in made(data, partition="keyed").place]


def skip_aggregation(model: GraphEraserModel, monkeypatch: pytest.MonkeyPatch) -> None:
    old = model.weights
    monkeypatch.setattr(model, "_weigh", lambda: old)


def skip_training(model: GraphEraserModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "_train", lambda graph, place, s: model.experts[s])


@pytest.mark.parametrize("fault", [skip_aggregation, skip_training])
def test_a_planted_fault_is_seen(fault: Callable[[GraphEraserModel, pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    data = blocks()
    model = made(data, partition="keyed")
    with monkeypatch.context() as planted:
        fault(model, planted)
        model.forget(data.ids[:20])
    assert digest(model) != digest(made(data.without(data.ids[:20]), partition="keyed"))


def test_one_shard_is_training_on_the_whole_graph() -> None:
    data = blocks(40)
    model = made(data, shards=1, epochs=5)
    answers = model.predict_proba(data.x[:4].toarray())
    assert model.weights.tolist() == [1.0]
    other = made(data, shards=1, epochs=5, partition="keyed", aggregate="mean")
    assert np.array_equal(answers, other.predict_proba(data.x[:4].toarray()))


@pytest.mark.parametrize("aggregate", ["lbaggr", "mean", "majority"])
def test_new_nodes_are_classified(aggregate: str) -> None:
    data = blocks()
    fresh = data.ids[::6]
    query = data.around(fresh)
    model = made(data.without(fresh), epochs=60, hidden=16, aggregate=aggregate)
    answers = model.predict_proba(query)
    assert answers.shape == (len(query), CLASSES)
    assert answers.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (answers.argmax(axis=1) == query.y).mean() > 0.85
    alone = model.predict_proba(query.x.toarray())
    assert (answers.argmax(axis=1) == query.y).mean() > (alone.argmax(axis=1) == query.y).mean() - 0.1
    assert not np.array_equal(answers, alone)


def test_nothing_of_a_forgotten_node_is_used_to_predict() -> None:
    data = blocks(40)
    fresh, gone = data.ids[::10], data.ids[1::10]
    held = data.without(fresh)
    model = made(held, partition="keyed")
    held.x.data[np.isin(np.repeat(held.ids, np.diff(held.x.indptr)), gone)] = np.float32(0.5)  # their features, changed in place
    model.forget(gone)
    held.x.data[np.isin(np.repeat(held.ids, np.diff(held.x.indptr)), gone)] = np.nan
    query = data.around(fresh)
    assert np.isin(query.edges, gone).any()
    answers = model.predict_proba(query)
    assert np.isfinite(answers).all()
    assert np.array_equal(answers, model.predict_proba(query.without_edges(query.edges[np.isin(query.edges, gone).any(axis=1)])))


def test_state_survives_save_and_load_and_can_go_on_forgetting() -> None:
    data = blocks(40)
    model = made(data)
    blob = wire.to_bytes(model.state())
    other = made()
    other.restore(wire.from_bytes(blob), data)
    assert digest(other) == digest(model)
    for each in (model, other):
        each.forget(data.ids[4:9])
    assert digest(other) == digest(model)
    fewer = data.without(data.ids[:1])
    with pytest.raises(UnlearningError, match="of other rows"):
        made().restore(wire.from_bytes(blob), fewer)
    with pytest.raises(UnlearningError, match="nodes are not those given"):
        made().restore(dict(made(data).state()), fewer)  # an artefact of a run has no fingerprint


def test_nothing_stored_is_influenced_by_the_forgotten() -> None:
    data = blocks(40)
    model = made(data, partition="keyed")
    model.forget(data.ids[:30])
    listed = {artefact.name: set(artefact.ids.tolist()) for artefact in model.stored()}
    assert not any(set(data.ids[:30].tolist()) & ids for ids in listed.values())
    shards = [ids for name, ids in listed.items() if name.startswith("shard")]
    assert set.union(*shards) == set(data.ids[30:].tolist())
    assert sum(map(len, shards)) == len(data) - 30
    assert model.state()["partition/ids"].tolist() == data.ids[30:].tolist()


def test_a_whole_class_a_whole_shard_and_everything() -> None:
    data = blocks(40)
    model = made(data, partition="keyed")
    model.forget(data.ids[data.y == 0])
    assert digest(model) == digest(made(data.only(data.ids[data.y != 0]), partition="keyed"))
    shard = model.graph.ids[model.place == 2]
    model.forget(shard)
    assert 2 not in model.experts
    assert len(model.weights) == 4
    assert model.predict_proba(data.x[:3].toarray()).shape == (3, CLASSES)
    model.forget(model.graph.ids)
    assert digest(model) == digest(made(data.only([]), partition="keyed"))
    assert model.predict_proba(data.x[:2].toarray()) == pytest.approx(np.full((2, CLASSES), 1 / 3))


def test_unlabelled_nodes_carry_messages_and_are_forgotten() -> None:
    data = blocks(40)
    y = np.where(np.arange(len(data)) % 3 == 0, -1, data.y)
    partly = Graph(data.ids, data.x, data.edges, y)
    model = made(partly, partition="keyed")
    assert digest(model) != digest(made(partly.only(data.ids[y >= 0]), partition="keyed"))
    model.forget(data.ids[y < 0])
    assert digest(model) == digest(made(partly.only(data.ids[y >= 0]), partition="keyed"))


def test_forgetting_before_training_and_nothing_at_all() -> None:
    data = blocks(40)
    model = made()
    model.begin(data)
    assert model.forget([]).cost.parts == 0
    model.forget(data.ids[:7])
    model.advance()
    model.advance()
    assert digest(model) == digest(made(data.without(data.ids[:7])))
    before = digest(model)
    assert model.forget(Removal()).cost.gradient_steps == 0
    assert digest(model) == before


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ([5], "node 5 is not held"),
        ([1, 1], "node 1 is named twice"),
        ([1, 99_999], "node 99999 is not held"),
        (Removal(edges=[[1, 2]]), r"edge \[1, 2\] is not held"),
    ],
)
def test_bad_requests_change_nothing(request_: Any, told: str) -> None:
    model = made(blocks(40))
    before = digest(model)
    with pytest.raises(UnlearningError, match=told):
        model.forget(request_)
    assert digest(model) == before


def test_forgetting_twice_is_an_error() -> None:
    data = blocks(40)
    model = made(data, partition="keyed")
    model.forget(Removal(nodes=[1], edges=[data.edges[-1]]))
    before = digest(model)
    for again in (Removal(nodes=[1]), Removal(edges=[data.edges[-1]])):
        with pytest.raises(UnlearningError, match="not held"):
            model.forget(again)
    assert digest(model) == before


def spoiled(data: Graph, what: str) -> Graph:
    x, y, edges, ids = data.x.copy(), data.y.copy(), data.edges.copy(), data.ids.copy()
    if what == "nan":
        x.data[x.indptr[4]] = np.nan
    elif what == "label":
        y[0] = CLASSES
    elif what == "edge":
        edges[0] = [1, 2]
    elif what == "order":
        ids = ids[::-1]
    else:
        x = sp.csr_matrix(x[:, :9])
    return Graph(ids, x, edges, y)


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("nan", "node 13 has a feature"),
        ("label", r"-1 .. 2"),
        ("edge", r"edge \[1, 2\]"),
        ("order", "ascending"),
        ("width", r"\(120, 10\)"),
    ],
)
def test_bad_graphs_are_refused_and_change_nothing(what: str, told: str) -> None:
    data = blocks(40)
    model = made(data)
    before = digest(model)
    with pytest.raises(UnlearningError, match=told):
        model.begin(spoiled(data, what))
    assert digest(model) == before


def test_bad_questions_are_refused() -> None:
    data = blocks(40)
    model = made(data)
    with pytest.raises(UnlearningError, match="node 1 is held already"):
        model.predict_proba(data.around([1]))
    with pytest.raises(UnlearningError, match="9 features, not 10"):
        model.predict_proba(np.zeros((2, 9)))
    with pytest.raises(UnlearningError, match="does not name a shard"):
        model.begin(data, np.full(len(data), 5))
    with pytest.raises(ValueError, match="flatten"):
        GraphEraser().build(Problem((1, 8, 8), 3), ())


def test_karate_club_factions_are_learned_with_three_shards() -> None:
    club = nx.karate_club_graph()
    y = np.array([int(club.nodes[v]["club"] == "Officer") for v in club])
    data = graph(list(club), np.eye(34), list(club.edges), y)
    model = GraphEraser(shards=3, epochs=100, hidden=8).build(Problem((34,), 2), ())
    asked = data.ids[[5, 10, 16, 23, 26, 29]]
    model.fit(data.without(asked))
    assert (model.predict_proba(data.around(asked)).argmax(axis=1) == data.only(asked).y).mean() >= 5 / 6


def test_cora_shards_equal_their_retraining(shared_data) -> None:  # type: ignore[no-untyped-def]
    data = load_graph(shared_data / "cora.npz")
    gone = np.random.default_rng(0).permutation(data.ids)[: len(data) // 10]
    options = GraphEraser(shards=20, partition="blpa", leakage="frozen", epochs=3, hidden=16)
    model, other = (options.build(Problem((1433,), 7), (0,)) for _ in range(2))
    model.fit(data)
    place = model.place[~np.isin(data.ids, gone)]
    model.forget(gone)
    other.begin(data.without(gone), place)
    other.advance()
    assert digest(model) == digest(other)
