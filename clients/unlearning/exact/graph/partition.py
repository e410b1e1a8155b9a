"""Partition of a graph's nodes into shards: by keyed hash, balanced label propagation (BLPA), or balanced k-means (BEKM)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clients.data.balance import balanced_kmeans
from clients.data.label_propagation import Ids, Key, Shards, capacity
from clients.streams import uniforms


def keyed(ids: Ids, shards: int, key: Key) -> Shards:
    """Return each node's shard, int64 (n,), by a hash of its id: no node's shard depends on other nodes."""
    return np.floor(shards * uniforms(ids, *key, "shard")).astype(np.int64)


def bekm(ids: Ids, points: npt.NDArray[np.floating], shards: int, slack: float, key: Key, rounds: int = 20) -> Shards:
    """Return each node's shard, int64 (n,), by balanced k-means (Chen et al. 2022, algorithm 2).

    Parameters
    ----------
    ids : int64 array, shape (n,)
    points : float array, shape (n, d)
        Node embeddings.
    shards, slack, key, rounds
        As for ``blpa``; the first centroids are the nodes with the smallest keyed hashes.
    """
    return balanced_kmeans(ids, points.astype(np.float64), shards, capacity(len(ids), shards, slack), key, rounds)


def kept_edges(ids: Ids, edges: npt.NDArray[np.int64], place: Shards) -> npt.NDArray[np.bool_]:
    """Return for each edge, bool (m,), whether both its ends are in the same shard."""
    ends = place[np.searchsorted(ids, edges)]
    return np.asarray(ends[:, 0] == ends[:, 1], dtype=np.bool_)
