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
def evaluate_finally(h: Hedge, t: int, node: int) -> bool:
    """Find a node's best split and the rivals that may overtake it, from its rows in ``here``; False if there is no room.

    Children that hang under one of these candidates stay there; of a node that is new there are none.
    """
    at = h.nodes[t, node]
    found = study(h, t, node)
    first, many, champion, left = at.first, at.rivals, at.champion, at.left
    at.rivals = 0
    for y in range(len(h.total)):
        h.counts[t, node, y] = h.total[y]
    if found < 0:
        at.kind, at.champion = LEAF, -1
        return True
    at.patience = bears(h.settings, total(h.total))
    shaky = doubts(h.left, h.total, found, at.patience, h.settings[SPLIT_ROWS], h.settings[SIDE_ROWS], h.doubtful, h.work)
    at.kind = OPEN if shaky else ROBUST
    h.doubtful[found] = 1
    if h.used[t, RIVALS] + len(h.doubtful) > h.rivals.shape[1]:
        return False
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
    return True


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
