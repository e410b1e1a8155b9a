from __future__ import annotations

import numpy as np
import pytest

from clients.data.balance import balanced_assignment, balanced_kmeans, squared_distances


def greedy(costs: np.ndarray, room: int) -> np.ndarray:
    """The definition: walk through all pairs in rising order."""
    place, left = np.full(len(costs), -1), [room] * costs.shape[1]
    for flat in np.argsort(costs, axis=None, kind="stable"):
        element, cluster = divmod(int(flat), costs.shape[1])
        if place[element] < 0 and left[cluster]:
            place[element], left[cluster] = cluster, left[cluster] - 1
    return place


@pytest.mark.parametrize("seed", range(20))
def test_the_assignment_is_the_greedy_walk_through_sorted_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    costs = rng.integers(0, 12, (40, 5)).astype(float) if seed % 2 else rng.normal(size=(40, 5))  # with and without ties
    for room in (8, 9, 15, 40):
        place = balanced_assignment(costs, room)
        assert np.array_equal(place, greedy(costs, room))
        assert np.bincount(place).max() <= room


def test_clusters_are_tighter_than_random_ones_of_the_same_sizes_and_tighter_each_round() -> None:
    rng = np.random.default_rng(1)
    points = rng.normal(size=(300, 4)) + 3 * rng.integers(0, 3, (300, 4))

    def spread(place: np.ndarray) -> float:
        return sum(float(squared_distances(points[place == c], points[place == c].mean(0, keepdims=True)).sum()) for c in range(6))

    within = [spread(balanced_kmeans(np.arange(300), points, 6, 55, ("k",), rounds)) for rounds in (1, 3, 20)]
    assert within[0] > within[1] >= within[2]
    place = balanced_kmeans(np.arange(300), points, 6, 55, ("k",), 20)
    assert within[2] < 0.7 * spread(rng.permutation(place))
