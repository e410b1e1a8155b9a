"""Balanced clustering: every element is in a cluster, and no cluster exceeds its capacity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.streams import Field, hashes

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Costs = Callable[[Floats], npt.NDArray[Any]]


def balanced_assignment(costs: npt.NDArray[Any], room: int) -> Ids:
    """Return each element's cluster, int64 (n,): the greedy matching of elements and clusters by ascending cost.

    Deferred acceptance (Gale and Shapley, 1962) computes it: since both sides rank a pair by the same cost, it gives the matching that
    assigns pairs in ascending order of cost. Of equal costs, the smaller position comes first, then the smaller cluster.

    Parameters
    ----------
    costs : array, shape (n, clusters)
        Cost of each element in each cluster.
    room : int
        Capacity of a cluster, at least ``n / clusters``.
    """
    n, clusters = costs.shape
    wishes = np.argsort(costs, axis=1, kind="stable")
    place = np.full(n, -1, dtype=np.int64)
    turn = np.zeros(n, dtype=np.int64)
    while len(free := np.flatnonzero(place < 0)):
        place[free] = wishes[free, turn[free]]
        turn[free] += 1
        for cluster in np.flatnonzero(np.bincount(place, minlength=clusters) > room):
            members = np.flatnonzero(place == cluster)
            place[members[np.argsort(costs[members, cluster], kind="stable")][room:]] = -1
    return place


def squared_distances(points: Floats, anchors: Floats) -> Floats:
    """Return squared Euclidean distances, shape (len(points), len(anchors)), from differences: unlike BLAS, independent of threads."""
    return np.stack([np.square(points - anchor).sum(axis=1) for anchor in anchors], axis=1)


def balanced_kmeans(
    ids: Ids, points: Floats, clusters: int, room: int, key: tuple[Field, ...], rounds: int, costs: Costs | None = None
) -> Ids:
    """Return each element's cluster by balanced k-means, int64 (n,).

    Parameters
    ----------
    ids : int64 array, shape (n,)
        Ids of the elements; those with the smallest keyed hashes are the initial centroids.
    points : float64 array, shape (n, d)
        The elements.
    clusters : int
        Number of clusters.
    room : int
        Capacity of a cluster.
    key : tuple
        Key of the initial centroids.
    rounds : int
        Maximum number of iterations; the last is the first in which no element changes its cluster.
    costs : callable, optional
        Maps centroids, shape (clusters, d), to the costs of all pairs, shape (n, clusters); by default the squared Euclidean distances.
    """
    if not len(ids):
        return np.zeros(0, dtype=np.int64)
    price = costs or (lambda anchors: squared_distances(points, anchors))
    anchors = points[np.resize(np.lexsort((ids, hashes(ids, *key, "anchor"))), clusters)]
    place = np.full(len(ids), -1, dtype=np.int64)
    for _ in range(rounds):
        before, place = place, balanced_assignment(price(anchors), room)
        if np.array_equal(before, place):
            break
        for cluster in np.unique(place):
            anchors[cluster] = points[place == cluster].mean(axis=0)
    return place
