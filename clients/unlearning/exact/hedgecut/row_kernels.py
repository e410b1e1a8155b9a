"""Compiled: the rows that reach a node, and the number of them that go left.

Sets of rows are bit vectors: those of a node are the intersection of the sets that the splits on its path select, and are not stored.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.unlearning.exact.compiled import bare
from clients.unlearning.exact.hash_kernels import fold, mix
from clients.unlearning.exact.hedgecut.hedge import Hedge

Words = npt.NDArray[np.uint64]


@bare
def candidate(key: Any, edges: npt.NDArray[np.int64], path: Any, m: int) -> Any:
    """Return feature and word of a node's m-th candidate, a function of the tree's key, the path and m."""
    draw = fold(fold(key, path), m)
    j = int(draw % np.uint64(len(edges)))
    word = mix(draw + np.uint64(1))
    if edges[j] > 0:
        word = word % np.uint64(edges[j])
    return j, word


@bare
def as_drawn(numeric: Any, word: Any) -> Any:
    """Return cut and mask of a candidate: bins up to the cut go left, and so do categories whose bit of the mask is set."""
    return (np.int32(word), np.uint64(0)) if numeric else (np.int32(-1), word)


@bare
def goes_left(cut: Any, mask: Any, level: Any) -> Any:
    """Return whether a bin or category goes left, without a branch on the kind of the feature."""
    return (level <= cut) | ((mask >> np.uint64(level & 63)) & np.uint64(1) == np.uint64(1))


@bare
def ones(x: Any) -> Any:
    """Return the number of set bits of a word; the compiler recognises these lines and uses the machine's instruction."""
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (x * np.uint64(0x0101010101010101)) >> np.uint64(56)


@bare
def going_left(h: Hedge, j: int, word: Any) -> Any:
    """Return the index of the plane of all rows that go left by a candidate; for several categories, the last plane is overwritten."""
    first = h.plane[j]
    if h.edges[j] > 0:
        return first + np.int64(word)
    merged = h.planes[-1]
    merged[:] = np.uint64(0)
    for v in range(h.plane[j + 1] - first):
        if (word >> np.uint64(v)) & np.uint64(1):
            rows = h.planes[first + v]
            for w in range(len(merged)):
                merged[w] |= rows[w]
    return len(h.planes) - 1


@bare
def trace(h: Hedge, t: int, node: int) -> None:
    """Write the rows that reach a node, and each node above it, to ``here``."""
    at = node
    for depth in range(h.nodes[t, node].depth, 0, -1):
        h.trail[depth] = at
        at = h.nodes[t, at].parent
    h.here[0] = ~np.uint64(0)
    for depth in range(1, h.nodes[t, node].depth + 1):
        step(h, t, h.trail[depth])


@bare
def step(h: Hedge, t: int, node: int) -> None:
    """Write the rows that reach a node to ``here``, which contains those of its parent."""
    at = h.nodes[t, node]
    j, word = candidate(h.key[t], h.edges, h.nodes[t, at.parent].path, at.via)
    flipped = np.uint64(0) - (at.path & np.uint64(1))  # all bits are set for a right child
    narrow(h.here[at.depth], h.here[at.depth - 1], h.planes[going_left(h, j, word)], flipped)


@bare
def narrow(here: Words, above: Words, rows: Words, flipped: Any) -> None:
    """Write the rows of ``above`` that are in ``rows``, or, if ``flipped`` has all bits set, those that are not."""
    for w in range(len(here)):
        here[w] = above[w] & (rows[w] ^ flipped)


@bare
def gather(h: Hedge, depth: int) -> None:
    """Write the held rows that reach a node of this depth, by class, to ``word``, and their numbers to ``total``."""
    for y in range(len(h.known)):
        h.total[y] = common(h.here[depth], h.known[y], h.word[y])


@bare
def common(here: Words, known: Words, word: Words) -> Any:
    """Write the intersection of two sets to ``word``; return its size."""
    found = np.uint64(0)
    for w in range(len(here)):
        bits = here[w] & known[w]
        word[w] = bits
        found += ones(bits)
    return np.int64(found)


@bare
def itemise(h: Hedge) -> None:
    """Write the numbers of the rows in ``word`` to ``rows``."""
    n = 0
    for y in range(len(h.word)):
        for w in range(h.word.shape[1]):
            bits = h.word[y, w]
            while bits:
                lowest = bits & (np.uint64(0) - bits)
                h.rows[n] = 64 * w + np.int64(ones(lowest - np.uint64(1)))
                bits ^= lowest
                n += 1


@bare
def share(rows: Words, word: Words) -> Any:
    """Return the number of a node's rows of one class that go left."""
    found = np.uint64(0)
    for w in range(len(word)):
        found += ones(word[w] & rows[w])
    return np.int64(found)


@bare
def share_of_few(rows: npt.NDArray[np.int32], level: npt.NDArray[np.int16], j: int, cut: Any, mask: Any) -> Any:
    """Return the number of given rows that go left, by testing each of them."""
    found = 0
    for i in range(len(rows)):
        found += goes_left(cut, mask, level[rows[i], j])
    return found


@bare
def strike(h: Hedge, row: int, label: int) -> None:
    """Remove a row from the held rows."""
    h.known[label, row >> 6] &= ~(np.uint64(1) << np.uint64(row & 63))


@bare
def wipe(h: Hedge, row: int) -> None:
    """Overwrite the bins of a row that is no longer held."""
    kept = ~(np.uint64(1) << np.uint64(row & 63))
    for k in range(len(h.planes)):
        h.planes[k, row >> 6] &= kept
    h.level[row] = 0


@bare
def tidy(h: Hedge) -> None:
    """Overwrite the scratch arrays with zeros: stacks of nodes, and rows of examined nodes, if any."""
    h.stack[:] = 0
    if h.here.size == 0 or h.here[0, 0] == 0:
        return
    h.here[:] = 0
    h.trail[:] = 0
    h.planes[-1] = 0
    h.word[:] = 0
    h.rows[:] = 0
    h.total[:] = 0
    h.left[:] = 0
    h.doubtful[:] = 0
    h.sums[:] = 0
    h.work[:] = 0
