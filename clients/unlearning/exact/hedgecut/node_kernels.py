"""Compiled: the candidates of one node, how its rows part under them, and the best of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.unlearning.exact.compiled import bare
from clients.unlearning.exact.hash_kernels import fold, mix
from clients.unlearning.exact.hedgecut.hedge import Hedge
from clients.unlearning.exact.hedgecut.proof_kernels import Counts, leader, merits

DEPTH, SPLIT_ROWS, SIDE_ROWS, BUDGET, NESTED = range(5)
"""Places in a forest's settings."""

PLACES, SLOTS, ORDERED, EXTRA = range(4)
"""What is taken of a tree's room."""


@bare
def candidate(key: Any, edges: npt.NDArray[np.int64], path: Any, m: int) -> Any:
    """Return feature and word of a node's m-th candidate: a function of the tree's key, the path and m."""
    draw = fold(fold(key, path), m)
    j = int(draw % np.uint64(len(edges)))
    word = mix(draw + np.uint64(1))
    if edges[j] > 0:
        word = word % np.uint64(edges[j])
    return j, word


@bare
def as_drawn(numeric: Any, word: Any) -> Any:
    """Return cut and mask of a candidate: a bin up to the cut goes left, and so does a category whose bit of the mask is set."""
    return (np.int32(word), np.uint64(0)) if numeric else (np.int32(-1), word)


@bare
def goes_left(cut: Any, mask: Any, level: Any) -> Any:
    """Tell whether a bin goes left, without a branch on what kind of feature it is of."""
    return (level <= cut) | ((mask >> np.uint64(level & 63)) & np.uint64(1) == np.uint64(1))


@bare
def hang(h: Hedge, t: int, node: int, m: int, start: int, end: int, to: int) -> Any:
    """Give a node two children under candidate m, their rows copied to ``to``; return left child and the rows' division and end."""
    j, word = candidate(h.key[t], h.edges, h.nodes[t, node].path, m)
    cut, mask = as_drawn(h.edges[j] > 0, word)
    level, arena = h.level[j], h.arena
    left = h.used[t, PLACES]
    h.used[t, PLACES] += 2
    top, middle = to, to
    for side in range(2):
        for i in range(start, end):
            row = arena[i]
            arena[top] = row  # overwritten by the next one unless it belongs here
            top += goes_left(cut, mask, level[row]) == (side == 0)
        if side == 0:
            middle = top
        new = h.nodes[t, left + side]
        new.path = h.nodes[t, node].path * np.uint64(2) + np.uint64(side)
        new.depth = h.nodes[t, node].depth + 1
        new.parent, new.via = node, m
        new.nested, new.wider = h.nodes[t, node].nested, h.nodes[t, node].wider
    return left, middle, top


@bare
def study(h: Hedge, t: int, node: int, start: int, end: int) -> int:
    """Count classes at a node and under its candidates (in ``scratch``); return the champion, -1 of a leaf."""
    counts, below, rows, arena = h.counts[t, node], h.scratch, h.rows, h.arena
    classes = len(counts)
    n = 0
    for y in range(classes):  # by class, so that what is counted below has but one
        before = n
        for i in range(start, end):
            rows[n] = arena[i]
            n += h.label[arena[i]] == y
        counts[y] = n - before
    if h.nodes[t, node].depth >= h.settings[DEPTH] or not splits(counts, h.settings[SPLIT_ROWS]):
        return -1
    for m in range(below.shape[1]):
        j, word = candidate(h.key[t], h.edges, h.nodes[t, node].path, m)
        first = 0
        for y in range(classes):
            below[y, m] = count_left(h.level[j], rows[first : first + counts[y]], h.edges[j] > 0, word)
            first += counts[y]
    return champion(below, counts, h.settings, h.sums, h.bits)


@bare
def count_left(level: npt.NDArray[np.int32], rows: npt.NDArray[np.int32], numeric: bool, word: Any) -> Any:
    """Return how many of the rows a candidate sends left."""
    found = np.int32(0)
    if numeric:
        cut = np.int32(word)
        for i in range(len(rows)):
            found += np.int32(level[rows[i]] <= cut)
    else:
        for i in range(len(rows)):
            found += np.int32((word >> np.uint64(level[rows[i]] & 63)) & np.uint64(1))
    return found


@bare
def splits(counts: npt.NDArray[np.int32], least: int) -> Any:
    """Tell whether a node has rows enough, and of more than one class."""
    n, most = 0, 0
    for y in range(len(counts)):
        n, most = n + counts[y], max(most, counts[y])
    return n >= least and most < n


@bare
def champion(
    below: Counts, counts: Counts, settings: npt.NDArray[np.int64], sums: npt.NDArray[np.float64], bits: npt.NDArray[np.int64]
) -> int:
    """Return the candidate with the largest merit (smallest number among equals) and enough rows on both sides; -1: be a leaf.

    It runs at every open node a row passes, so it is handed single arrays: a whole hedge is some two kilobytes, copied at each call.
    """
    if not splits(counts, settings[SPLIT_ROWS]):
        return -1
    merits(below, counts, settings[SIDE_ROWS], sums)
    return leader(bits)
