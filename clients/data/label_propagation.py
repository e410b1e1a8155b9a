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
    """Return the most nodes a shard may hold: ``ceil(n/k + slack (n - n/k))`` (Chen et al., section 4)."""
    return int(np.ceil(n / shards + slack * (n - n / shards) - 1e-9))


def balanced_start(ids: Ids, shards: int, room: int, key: Key) -> Shards:
    """Return a random start in which no shard exceeds ``room``, shape (n,).

    Nodes and shards are paired in the order of keyed hashes, so a node that leaves moves few others.
    """
    return balanced_assignment(np.stack([hashes(ids, *key, "start", s) for s in range(shards)], axis=1), room)


def blpa(ids: Ids, adjacency: sp.csr_matrix, shards: int, slack: float, key: Key, rounds: int = 100) -> Shards:
    """Return balanced label propagation's shards, shape (n,) (Chen et al. 2022, algorithm 1).

    Unlike there, a wish that others' moves have made pointless by the time it is served is dropped: every move then keeps more edges
    than before, so that the rounds end. Served regardless, neighbours change places with one another for ever.

    Parameters
    ----------
    ids : int64 array, shape (n,)
    adjacency : CSR matrix, shape (n, n)
        Symmetric, zero diagonal.
    shards, slack
        Number of shards; how far above ``n / shards`` a shard may grow, as a share of the other nodes.
    key : tuple
        Key of the start and of ties.
    rounds : int
        Most rounds; stops earlier when nobody moves.
    """
    room = capacity(len(ids), shards, slack)
    place = balanced_start(ids, shards, room, key)
    for turn in range(rounds):
        votes = adjacency @ np.eye(shards)[place]
        ties = np.stack([uniforms(ids, *key, "tie", turn, s) for s in range(shards)], axis=1)
        ties[np.arange(len(ids)), place] = 1.0  # staying wins a tie, else nodes swap for ever
        wish = np.argmax(votes + 0.5 * ties, axis=1)
        count = votes[np.arange(len(ids)), wish]
        movers = np.flatnonzero((wish != place) & (count > 0))
        movers = movers[np.lexsort((ids[movers], hashes(ids[movers], *key, "queue", turn), -count[movers]))]
        if not _serve(place, wish, movers, adjacency, shards, room):
            break
    return place


def _serve(place: Shards, wish: Shards, movers: npt.NDArray[np.intp], adjacency: sp.csr_matrix, shards: int, room: int) -> int:
    """Grant wishes in order while there is room and a gain; hand every freed seat to the first in its queue. Return the moves."""

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
    while queue:
        yield queue.popleft()
