"""Partition of interactions into shards: by keyed hash, or by balanced clusters of users (UBP), items (IBP), or interactions (InBP)."""

from __future__ import annotations

from typing import Literal

import numpy as np

from clients.data.balance import Floats, balanced_kmeans, squared_distances
from clients.data.ratings import Ratings
from clients.data.rows import Ids
from clients.streams import Field, uniforms
from clients.unlearning.exact.recommender.bases import Vectors, train
from clients.unlearning.exact.recommender.spec import Wmf

Kind = Literal["keyed", "ubp", "ibp", "inbp"]

ROUNDS = 50


def capacity(elements: int, shards: int, slack: float) -> int:
    """Return the largest number of elements (users, items or interactions) of a shard."""
    return int(np.ceil((1 + slack) * elements / shards - 1e-9))


def pretrained(data: Ratings, dim: int, key: tuple[Field, ...]) -> tuple[Vectors, Vectors]:
    """Return users' and items' vectors of a WMF trained on all interactions, from which the clusters are computed."""
    users, items, _ = train(Wmf(), dim, data, (*key, "pretrained"))
    return users, items


def deal(kind: Kind, data: Ratings, vectors: tuple[Vectors, Vectors] | None, shards: int, slack: float, key: tuple[Field, ...]) -> Ids:
    """Return the shard of each interaction, shape (n,) (Chen et al. 2022, algorithms 1 and 2).

    Parameters
    ----------
    kind : {"keyed", "ubp", "ibp", "inbp"}
    data : Ratings
    vectors : pair of float32 arrays, optional
        Users' and items' pretrained vectors; not needed for ``"keyed"``.
    shards : int
    slack : float
        Share by which a shard may exceed ``n / shards`` elements.
    key : tuple
    """
    if kind == "keyed" or not len(data) or vectors is None:
        return np.floor(shards * uniforms(data.ids, *key, "shard")).astype(np.int64)
    users, items = (side.astype(np.float64) for side in vectors)
    if kind == "ubp":
        return _by_element(data.user, users, shards, slack, key)
    if kind == "ibp":
        return _by_element(data.item, items, shards, slack, key)
    return _by_interaction(data, users, items, shards, slack, key)


def _by_element(column: Ids, vectors: Floats, shards: int, slack: float, key: tuple[Field, ...]) -> Ids:
    present, place = np.unique(column, return_inverse=True)
    return balanced_kmeans(present, vectors[present], shards, capacity(len(present), shards, slack), key, ROUNDS)[place]


def _by_interaction(data: Ratings, users: Floats, items: Floats, shards: int, slack: float, key: tuple[Field, ...]) -> Ids:
    """Cluster interactions; the cost of a pair and an anchor is the product of the user's and the item's squared distances."""
    dim = users.shape[1]
    points = np.concatenate([users[data.user], items[data.item]], axis=1)

    def costs(anchors: Floats) -> Floats:
        near = squared_distances(users, anchors[:, :dim])[data.user], squared_distances(items, anchors[:, dim:])[data.item]
        return near[0] * near[1]

    return balanced_kmeans(data.ids, points, shards, capacity(len(data), shards, slack), key, ROUNDS, costs)
