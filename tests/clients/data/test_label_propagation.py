from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from clients.data import label_propagation
from clients.data.graphs import Graph, graph, load_graph
from clients.data.label_propagation import adjacency
from clients.unlearning.exact.graph import partition

SHARDS = 6
SLACK = 0.02


def blocks(seed: int = 3, size: int = 50) -> Graph:
    """Six communities, a few isolated nodes, ids with gaps, features that follow the community."""
    drawn = nx.stochastic_block_model([size] * SHARDS, np.full((SHARDS, SHARDS), 0.004) + np.eye(SHARDS) * 0.12, seed=seed)
    y = np.concatenate([np.repeat(np.arange(SHARDS), size), [0, 1, 2]])
    x = np.random.default_rng(seed).normal(size=(len(y), 12)) + 4 * np.eye(12)[y]
    return graph(np.arange(len(y)) * 7 + 2, x, np.array(drawn.edges) * 7 + 2, y)


def place(kind: str, data: Graph, key: tuple[int, ...] = (0,)) -> np.ndarray:
    if kind == "keyed":
        return partition.keyed(data.ids, SHARDS, key)
    if kind == "bekm":
        return partition.bekm(data.ids, data.x.toarray(), SHARDS, SLACK, key)
    return label_propagation.blpa(data.ids, adjacency(len(data), np.searchsorted(data.ids, data.edges)), SHARDS, SLACK, key)


@pytest.mark.parametrize("kind", ["blpa", "bekm"])
@pytest.mark.parametrize("key", range(5))
def test_every_node_has_one_shard_and_no_shard_exceeds_the_bound(kind: str, key: int) -> None:
    data = blocks(key)
    shards = place(kind, data, (key,))
    room = label_propagation.capacity(len(data), SHARDS, SLACK)
    assert shards.shape == data.ids.shape
    assert set(shards) <= set(range(SHARDS))
    assert np.bincount(shards, minlength=SHARDS).max() <= room < len(data) / 4


@pytest.mark.parametrize("kind", ["blpa", "bekm"])
def test_more_edges_are_kept_than_by_a_random_partition_of_the_same_sizes(kind: str) -> None:
    data = blocks()
    shards = place(kind, data)
    kept = partition.kept_edges(data.ids, data.edges, shards).mean()
    shuffled = np.random.default_rng(0).permutation(shards)
    assert kept > 2 * partition.kept_edges(data.ids, data.edges, shuffled).mean()


@pytest.mark.parametrize("kind", ["keyed", "blpa", "bekm"])
def test_a_partition_is_a_function_of_graph_and_key(kind: str) -> None:
    data = blocks()
    assert np.array_equal(place(kind, data, (1,)), place(kind, data, (1,)))
    assert not np.array_equal(place(kind, data, (1,)), place(kind, data, (2,)))


def test_only_the_keyed_partition_leaves_every_other_node_where_it_was() -> None:
    data = blocks()
    gone = data.ids[::9]
    rest = ~np.isin(data.ids, gone)
    assert np.array_equal(place("keyed", data)[rest], place("keyed", data.without(gone)))
    assert not np.array_equal(place("blpa", data)[rest], place("blpa", data.without(gone)))
    assert not np.array_equal(place("bekm", data)[rest], place("bekm", data.without(gone)))


def test_nodes_without_neighbours_stay_where_they_started() -> None:
    data = blocks()
    lonely = ~np.isin(data.ids, data.edges)
    assert lonely.sum() >= 3
    start = label_propagation.balanced_start(data.ids, SHARDS, label_propagation.capacity(len(data), SHARDS, SLACK), (0,))
    assert np.array_equal(place("blpa", data)[lonely], start[lonely])


def test_the_balanced_start_moves_few_nodes_when_one_leaves() -> None:
    ids = np.arange(400)
    before = label_propagation.balanced_start(ids, 8, 51, (4,))
    after = label_propagation.balanced_start(ids[1:], 8, 51, (4,))
    assert (before[1:] != after).sum() <= 8
    assert np.bincount(before).max() <= 51


def test_a_full_shard_hands_a_freed_seat_to_the_first_in_its_queue_that_still_gains() -> None:
    near = adjacency(7, np.array([[0, 3], [1, 2], [5, 6]]))
    shards = np.array([0, 0, 1, 1, 1, 0, 0])
    wish = np.array([1, 0, 0, 1, 1, 1, 0])
    # four seats: shard 0 is full, shard 1 has one left; 2 waits for shard 0, 5 has no friend in shard 1 any more, 0 goes there
    assert label_propagation._serve(shards, wish, np.array([2, 5, 0]), near, 2, 4) == 2
    assert shards.tolist() == [1, 0, 0, 1, 1, 0, 0]
    full = np.array([0, 0, 1, 1])
    assert label_propagation._serve(full, np.array([1, 0, 0, 1]), np.array([0, 2]), near[:4, :4], 2, 2) == 0, "both only wait"


@pytest.mark.parametrize("key", range(3))
def test_label_propagation_keeps_more_edges_each_round_and_comes_to_rest(key: int) -> None:
    # few neighbours each: where all wishes are served, pairs change places for ever
    near = adjacency(200, np.argwhere(np.triu(np.random.default_rng(key).random((200, 200)) < 0.01, 1)))
    rounds = [label_propagation.blpa(np.arange(200), near, SHARDS, SLACK, (key,), turns) for turns in (0, 1, 2, 4, 30, 31)]
    kept = [partition.kept_edges(np.arange(200), np.argwhere(np.triu(near.toarray())), shards).sum() for shards in rounds]
    assert kept == sorted(kept)
    assert kept[0] < kept[1] < kept[-1]
    assert np.array_equal(rounds[-1], rounds[-2])


def test_shards_may_outnumber_nodes() -> None:
    data = blocks().only([2, 9, 16])
    for kind in ("keyed", "blpa", "bekm"):
        assert len(place(kind, data)) == 3
        assert len(place(kind, data.only([]))) == 0


def test_citation_graphs_are_cut_within_the_bound(shared_data) -> None:  # type: ignore[no-untyped-def]
    for name in ("cora", "citeseer"):
        data = load_graph(shared_data / f"{name}.npz")
        shards = label_propagation.blpa(data.ids, adjacency(len(data), data.edges), 20, 0.005, (0,))
        assert np.bincount(shards).max() <= label_propagation.capacity(len(data), 20, 0.005)
        shuffled = np.random.default_rng(0).permutation(shards)
        kept, random = (partition.kept_edges(data.ids, data.edges, s).mean() for s in (shards, shuffled))
        assert kept > 5 * random
