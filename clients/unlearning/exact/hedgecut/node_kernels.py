"""Compiled: the candidates of one node, the best of them (the champion), and those that may become it (the rivals)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.unlearning.exact.compiled import bare
from clients.unlearning.exact.hedgecut.hedge import LEAF, OPEN, ROBUST, Hedge
from clients.unlearning.exact.hedgecut.proof_kernels import doubts, leader, merits, total
from clients.unlearning.exact.hedgecut.row_kernels import as_drawn, candidate, gather, going_left, itemise, share, share_of_few

DEPTH, SPLIT_ROWS, SIDE_ROWS, BUDGET, NESTED, PLANTED = range(6)
"""Indices of a forest's settings."""

PLACES, RIVALS = range(2)
"""Indices of the used capacity of a tree."""

FORGETTING, BUILDING = range(2)
"""Indices of the stacks, by their user."""

FEW = 4
"""Ratio of the times to test one row and to process a word of 64."""


@bare
def study(h: Hedge, t: int, node: int) -> int:
    """Count classes at a node (in ``total``) and left of its candidates (in ``left``); return the champion, -1 for a leaf."""
    gather(h, h.nodes[t, node].depth)
    if h.nodes[t, node].depth >= h.settings[DEPTH] or not splits(h.total, h.settings[SPLIT_ROWS]):
        return -1
    few = FEW * total(h.total) < h.word.size
    if few:
        itemise(h)
    for m in range(h.left.shape[1]):
        j, word = candidate(h.key[t], h.edges, h.nodes[t, node].path, m)
        cut, mask = as_drawn(h.edges[j] > 0, word)
        rows, first = h.planes[-1 if few else going_left(h, j, word)], 0
        for y in range(len(h.total)):
            own = h.rows[first : first + h.total[y]]
            h.left[y, m] = share_of_few(own, h.level, j, cut, mask) if few else share(rows, h.word[y])
            first += h.total[y] if few else 0
    merits(h.left, h.total, h.settings[SIDE_ROWS], h.sums)
    return leader(h.bits)


@bare
def splits(counts: npt.NDArray[np.int32], least: int) -> Any:
    """Return whether a node has at least ``least`` rows, of more than one class."""
    n, most = 0, 0
    for y in range(len(counts)):
        n, most = n + counts[y], max(most, counts[y])
    return n >= least and most < n


@bare
def bears(settings: npt.NDArray[np.int64], rows: int) -> Any:
    """Return the number of removals for which a node's split shall be proven: about twice its expected share of the forest's budget.

    A smaller number leaves fewer rivals; a larger one delays the next examination of the node.
    """
    return min(settings[BUDGET], 2 + 2 * settings[BUDGET] * rows // settings[PLANTED])


@bare
def examine(h: Hedge, t: int, node: int) -> bool:
    """Find a node's champion and its rivals, from its rows in ``here``; False if the capacity is exceeded.

    Subtrees of the former candidates among these are kept; a new node has none.
    """
    at = h.nodes[t, node]
    found = study(h, t, node)
    first, many, champion, left = at.first, at.rivals, at.champion, at.left
    if found < 0:
        prune(h, t, node)
        for y in range(len(h.total)):
            h.counts[t, node, y] = h.total[y]
        return True
    at.patience = bears(h.settings, total(h.total))
    shaky = doubts(h.left, h.total, found, at.patience, h.settings[SPLIT_ROWS], h.settings[SIDE_ROWS], h.doubtful, h.work)
    at.kind = OPEN if shaky else ROBUST
    h.doubtful[found] = 1
    for y in range(len(h.total)):
        h.counts[t, node, y] = h.total[y] if shaky else 0
    if h.used[t, RIVALS] + len(h.doubtful) > h.rivals.shape[1]:
        return False
    at.rivals = 0
    at.first = h.used[t, RIVALS]
    own = left if found == champion else -1
    for m in range(len(h.doubtful) if shaky else 0):
        if h.doubtful[m]:
            child = left if m == champion else -1
            for i in range(first, first + many):
                child = h.rivals[t, i].child if h.rivals[t, i].number == m else child
            enlist(h, t, node, m, child)
            own = child if m == found else own
    h.used[t, RIVALS] += at.rivals
    crown(h, t, node, found, own)
    abandon(h, t, node, first, many, left)
    return True


@bare
def abandon(h: Hedge, t: int, node: int, first: int, many: int, left: int) -> None:
    """Overwrite a node's former rivals, and remove the subtrees that belong to none of its present candidates."""
    at = h.nodes[t, node]
    for i in range(first - 1, first + many):
        child = left if i < first else h.rivals[t, i].child
        if i >= first:
            blank_rival(h, t, i)
        kept = child < 0 or child == at.left
        for k in range(at.first, at.first + at.rivals):
            kept |= h.rivals[t, k].child == child
        if not kept:
            fell(h, t, child)


@bare
def prune(h: Hedge, t: int, node: int) -> None:
    """Make a node a leaf, and remove its subtrees and those of its rivals."""
    at = h.nodes[t, node]
    first, many, left = at.first, at.rivals, at.left
    at.kind, at.champion, at.left, at.rivals, at.first = LEAF, -1, -1, 0, 0
    at.cut, at.mask, at.feature = 0, np.uint64(0), 0
    abandon(h, t, node, first, many, left)


@bare
def fell(h: Hedge, t: int, left: int) -> None:
    """Overwrite two siblings and all nodes below them: their counts include rows whose later removal would not reach them."""
    stack = h.stack[BUILDING]
    stack[0], stack[1] = left, left + 1
    waiting = 2
    while waiting:
        waiting -= 1
        node = stack[waiting]
        at = h.nodes[t, node]
        for i in range(at.first - 1, at.first + at.rivals):
            child = at.left if i < at.first else h.rivals[t, i].child
            if i >= at.first:
                blank_rival(h, t, i)
            if child >= 0 and h.nodes[t, child].kind and not (i >= at.first and child == at.left):
                stack[waiting], stack[waiting + 1] = child, child + 1
                waiting += 2
        blank(h, t, node)


@bare
def blank(h: Hedge, t: int, node: int) -> None:
    """Overwrite a node; its kind becomes 0."""
    at = h.nodes[t, node]
    at.path, at.mask, at.cut, at.feature, at.kind, at.left = np.uint64(0), np.uint64(0), 0, 0, 0, -1
    at.patience, at.first, at.rivals, at.champion, at.depth = 0, 0, 0, -1, 0
    at.parent, at.via, at.nested = 0, 0, 0
    for y in range(h.counts.shape[2]):
        h.counts[t, node, y] = 0


@bare
def blank_rival(h: Hedge, t: int, place: int) -> None:
    """Overwrite a rival."""
    rival = h.rivals[t, place]
    rival.mask, rival.cut, rival.feature, rival.child, rival.number = np.uint64(0), 0, 0, -1, 0
    for y in range(h.below.shape[2]):
        h.below[t, place, y] = 0


@bare
def enlist(h: Hedge, t: int, node: int, m: int, child: int) -> None:
    """Append candidate m of a node, whose counts ``study`` has made, to its rivals."""
    at = h.nodes[t, node]
    place = at.first + at.rivals
    rival = h.rivals[t, place]
    rival.number, rival.child = m, child
    rival.feature, word = candidate(h.key[t], h.edges, at.path, m)
    rival.cut, rival.mask = as_drawn(h.edges[rival.feature] > 0, word)
    for y in range(len(h.total)):
        h.below[t, place, y] = h.left[y, m]
    at.rivals += 1


@bare
def crown(h: Hedge, t: int, node: int, m: int, left: int) -> None:
    """Make the m-th candidate a node's split."""
    at = h.nodes[t, node]
    at.champion, at.left = m, left
    at.feature, word = candidate(h.key[t], h.edges, at.path, m)
    at.cut, at.mask = as_drawn(h.edges[at.feature] > 0, word)
