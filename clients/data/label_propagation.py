"""Balanced label propagation over a graph."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from clients.data.balance import balanced_assignment
from clients.streams import Field, hashes, uniforms

Key = tuple[Field, ...]
Ids = npt.NDArray[np.int64]
Shards = npt.NDArray[np.int64]


def adjacency(n: int, pairs: npt.NDArray[np.int64]) -> sp.csr_matrix:
    """Return the symmetric adjacency matrix, shape (n, n), of undirected pairs of positions, shape (m, 2)."""
    rows, columns = np.concatenate([pairs, pairs[:, ::-1]]).T
    return sp.csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=(n, n))


def capacity(n: int, shards: int, slack: float) -> int:
    """Return the capacity of a shard in nodes, ``ceil(n/k + slack (n - n/k))`` (Chen et al. 2022, section 4)."""
    return int(np.ceil(n / shards + slack * (n - n / shards) - 1e-9))


def balanced_start(ids: Ids, shards: int, room: int, key: Key) -> Shards:
    """Return a random initial partition in which no shard exceeds ``room``, int64 (n,).

    Keyed hashes of pairs of node and shard are the costs of the assignment, so that removing a node changes the shards of few others.
    """
    return balanced_assignment(np.stack([hashes(ids, *key, "start", s) for s in range(shards)], axis=1), room)


def blpa(ids: Ids, adjacency: sp.csr_matrix, shards: int, slack: float, key: Key, rounds: int = 100) -> Shards:
    """Return the shard of each node by balanced label propagation, int64 (n,) (Chen et al. 2022, algorithm 1).

    Unlike there, a request to move is dropped if, after the moves of other nodes, it no longer keeps more edges inside shards. Every move
    then increases the number of such edges, so the iteration converges; otherwise neighbours can swap their shards without end.

    Parameters
    ----------
    ids : int64 array, shape (n,)
        Ids of the nodes.
    adjacency : CSR matrix, shape (n, n)
        Symmetric, zero diagonal.
    shards : int
        Number of shards.
    slack : float
        How much a shard may exceed ``n / shards`` nodes, as a share of the other nodes, in [0, 1].
    key : tuple
        Key of the initial partition and of ties.
    rounds : int
        Maximum number of iterations; the last is the first in which no node moves.
    """
    room = capacity(len(ids), shards, slack)
    place = balanced_start(ids, shards, room, key)
    for turn in range(rounds):
        votes = adjacency @ np.eye(shards)[place]
        ties = np.stack([uniforms(ids, *key, "tie", turn, s) for s in range(shards)], axis=1)
        ties[np.arange(len(ids)), place] = 1.0  # a tie keeps the node where it is: otherwise nodes swap without end
        wish = np.argmax(votes + 0.5 * ties, axis=1)
        count = votes[np.arange(len(ids)), wish]
        movers = np.flatnonzero((wish != place) & (count > 0))
        movers = movers[np.lexsort((ids[movers], hashes(ids[movers], *key, "queue", turn), -count[movers]))]
        if not _serve(place, wish, movers, adjacency, shards, room):
            break
    return place


def _serve(place: Shards, wish: Shards, movers: npt.NDArray[np.intp], adjacency: sp.csr_matrix, shards: int, room: int) -> int:
    """Move nodes in order, in place, while there is room and a gain; a place that becomes free goes to the first node that waits for it.

    Return the number of moves.
    """

    def gains(node: int) -> bool:
        near = place[adjacency.indices[adjacency.indptr[node] : adjacency.indptr[node + 1]]]
        return bool((near == wish[node]).sum() > (near == place[node]).sum())

    size = np.bincount(place, minlength=shards)
    queues: list[deque[int]] = [deque() for _ in range(shards)]
    moves = 0
    for node in filter(gains, movers.tolist()):
        target = int(wish[node])
        if size[target] >= room:
            queues[target].append(node)
            continue
        guest: int | None = node
        size[target] += 1
        while guest is not None:
            seat = int(place[guest])
            place[guest] = wish[guest]
            moves += 1
            guest = next(filter(gains, _drained(queues[seat])), None)
        size[seat] -= 1
    return moves


def _drained(queue: deque[int]) -> Iterator[int]:
    """Yield the elements of a queue, removing them."""
    while queue:
        yield queue.popleft()
