"""Compiled: the candidates of one node, the best of them, and those that may become it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.unlearning.exact.compiled import bare
from clients.unlearning.exact.hedgecut.hedge import LEAF, OPEN, ROBUST, Hedge
from clients.unlearning.exact.hedgecut.proof_kernels import doubts, leader, merits, total
from clients.unlearning.exact.hedgecut.row_kernels import as_drawn, candidate, gather, going_left, itemise, share, share_of_few

DEPTH, SPLIT_ROWS, SIDE_ROWS, BUDGET, NESTED, PLANTED = range(6)
"""Places in a forest's settings."""

PLACES, RIVALS = range(2)
"""What is taken of a tree's room."""

FORGETTING, BUILDING = range(2)
"""Who has which stack."""


FEW = 4
"""How many times longer it takes to ask a row where it goes than to look at a word of 64."""


@bare
def study(h: Hedge, t: int, node: int) -> int:
    """Count classes at a node (in ``total``) and under its candidates (in ``left``); return the champion, -1 of a leaf."""
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
    """Tell whether a node has rows enough, and of more than one class."""
    n, most = 0, 0
    for y in range(len(counts)):
        n, most = n + counts[y], max(most, counts[y])
    return n >= least and most < n


@bare
def bears(settings: npt.NDArray[np.int64], rows: int) -> Any:
    """Return how many removals a node's split shall be proven for: some more than fall to its share of a forest's budget.

    Fewer leave fewer rivals in doubt; more put off the day when the proof is used up and the node is examined anew.
    """
    return min(settings[BUDGET], 2 + 2 * settings[BUDGET] * rows // settings[PLANTED])


@bare
def examine(h: Hedge, t: int, node: int) -> bool:
    """Find a node's best split and the rivals that may overtake it, from its rows in ``here``; False if there is no room.

    Children that hang under one of these candidates stay there; of a node that is new there are none.
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
    """Overwrite a node's former rivals, and fell what hung under them, or on the left, and hangs there no longer."""
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
    """Make a node a leaf: what hung under it and its rivals is felled, and overwritten."""
    at = h.nodes[t, node]
    first, many, left = at.first, at.rivals, at.left
    at.kind, at.champion, at.left, at.rivals, at.first = LEAF, -1, -1, 0, 0
    at.cut, at.mask, at.feature = 0, np.uint64(0), 0
    abandon(h, t, node, first, many, left)


@bare
def fell(h: Hedge, t: int, left: int) -> None:
    """Overwrite two siblings and all below them: they count rows that may be forgotten later, when nobody comes here any more."""
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
    """Overwrite what a place holds of a node; its kind is then none."""
    at = h.nodes[t, node]
    at.path, at.mask, at.cut, at.feature, at.kind, at.left = np.uint64(0), np.uint64(0), 0, 0, 0, -1
    at.patience, at.first, at.rivals, at.champion, at.depth = 0, 0, 0, -1, 0
    at.parent, at.via, at.nested = 0, 0, 0
    for y in range(h.counts.shape[2]):
        h.counts[t, node, y] = 0


@bare
def blank_rival(h: Hedge, t: int, place: int) -> None:
    """Overwrite what is known of a rival."""
    rival = h.rivals[t, place]
    rival.mask, rival.cut, rival.feature, rival.child, rival.number = np.uint64(0), 0, 0, -1, 0
    for y in range(h.below.shape[2]):
        h.below[t, place, y] = 0


@bare
def enlist(h: Hedge, t: int, node: int, m: int, child: int) -> None:
    """Write down one more rival of a node that has been studied."""
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
    """Split a node by its m-th candidate."""
    at = h.nodes[t, node]
    at.champion, at.left = m, left
    at.feature, word = candidate(h.key[t], h.edges, at.path, m)
    at.cut, at.mask = as_drawn(h.edges[at.feature] > 0, word)
