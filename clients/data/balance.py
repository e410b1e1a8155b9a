"""Balanced clustering: no cluster holds more than it has room for, no element is left out."""

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
    """Return each element's cluster, shape (n,): pairs in rising order of cost, an element once, a cluster at most ``room`` times.

    Found by deferred acceptance, which gives the same matching as walking through all sorted pairs, since both sides rank a pair by the
    same cost; equal costs go to the smaller position, then the smaller cluster.

    Parameters
    ----------
    costs : array, shape (n, clusters)
    room : int
        At least ``n / clusters``.
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
    """Return squared Euclidean distances, shape (len(points), len(anchors)), by plain differences: no BLAS, no dependence on threads."""
    return np.stack([np.square(points - anchor).sum(axis=1) for anchor in anchors], axis=1)


def balanced_kmeans(
    ids: Ids, points: Floats, clusters: int, room: int, key: tuple[Field, ...], rounds: int, costs: Costs | None = None
) -> Ids:
    """Return each element's cluster by balanced k-means, shape (n,).

    Parameters
    ----------
    ids : int64 array, shape (n,)
        The first anchors are the elements with the smallest keyed hashes of their ids.
    points : float64 array, shape (n, d)
    clusters, room, rounds : int
        Number of clusters, most elements of one, most rounds; stops earlier when nobody moves.
    key : tuple
    costs : callable, optional
        Maps anchors, shape (clusters, d), to the cost of every pair, shape (n, clusters); squared Euclidean distance unless told.
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
