"""Compiled: growing trees, forgetting in them, asking them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.unlearning.exact.compiled import compiled, inner
from clients.unlearning.exact.hash_kernels import fold, mix
from clients.unlearning.exact.hedgecut.hedge import LEAF, OPEN, ROBUST, Hedge
from clients.unlearning.exact.hedgecut.proof_kernels import champion, doubts

DEPTH, SPLIT_ROWS, SIDE_ROWS, BUDGET, NESTED = range(5)
"""Places in a forest's settings."""

PLANT, FORGET, ASK = range(3)
"""What can be done to a tree."""

PLACES, SLOTS, ORDERED = range(3)


@inner
def candidate(h: Hedge, t: int, path: Any, m: int) -> Any:
    """Return feature and word of a node's m-th candidate: a function of the key, the tree, the path and m."""
    draw = fold(fold(h.key[t], path), m)
    j = int(draw % np.uint64(len(h.level)))
    word = mix(draw + np.uint64(1))
    if h.edges[j] > 0:
        word = word % np.uint64(h.edges[j])
    return j, word


@inner
def goes_left(h: Hedge, j: int, word: Any, level: Any) -> Any:
    """Tell whether a bin goes left: up to the cut; of a category, if its bit of the word is set."""
    if h.edges[j] > 0:
        return np.uint64(level) <= word
    return (word >> np.uint64(level & 63)) & np.uint64(1) == np.uint64(1)


@inner
def hang(h: Hedge, t: int, node: int, m: int, start: int, end: int, to: int) -> Any:
    """Give a node two children under candidate m, their rows copied to ``to``; return left child and the rows' division and end."""
    j, word = candidate(h, t, h.nodes[t, node].path, m)
    left = h.used[t, PLACES]
    h.used[t, PLACES] += 2
    top, middle = to, to
    for side in range(2):
        for i in range(start, end):
            if goes_left(h, j, word, h.level[j, h.arena[i]]) == (side == 0):
                h.arena[top] = h.arena[i]
                top += 1
        if side == 0:
            middle = top
        new = h.nodes[t, left + side]
        new.path = h.nodes[t, node].path * np.uint64(2) + np.uint64(side)
        new.depth = h.nodes[t, node].depth + 1
        new.parent, new.via = node, m
        new.nested = h.nodes[t, node].nested
    return left, middle, top


@inner
def study(h: Hedge, t: int, node: int, start: int, end: int) -> int:
    """Count classes at a node and under its candidates (in ``scratch``); return the champion, -1 of a leaf."""
    counts, below = h.counts[t, node], h.scratch
    counts[:] = 0
    for i in range(start, end):
        counts[h.label[h.arena[i]]] += 1
    if h.nodes[t, node].depth >= h.settings[DEPTH] or counts.sum() < h.settings[SPLIT_ROWS] or counts.max() == counts.sum():
        return -1
    below[:] = 0
    for m in range(len(below)):
        j, word = candidate(h, t, h.nodes[t, node].path, m)
        for i in range(start, end):
            row = h.arena[i]
            if goes_left(h, j, word, h.level[j, row]):
                below[m, h.label[row]] += 1
    return champion(below, counts, h.settings[SPLIT_ROWS], h.settings[SIDE_ROWS])


@inner
def build(h: Hedge, t: int, root: int, first: int, last: int) -> bool:
    """Build a node from a stretch of the arena, behind which all is free; False if there is no room.

    Nodes wait on a stack whose rows lie in the arena in the same order, so whatever lies behind a node's rows when its turn comes is free.
    """
    candidates = h.below.shape[2]
    stack = [(int(root), int(first), int(last))]
    while len(stack):
        node, start, end = stack.pop()
        if h.used[t, PLACES] + 2 * candidates > h.nodes.shape[1] or h.used[t, SLOTS] == h.below.shape[1]:
            return False
        found = study(h, t, node, start, end)
        at = h.nodes[t, node]
        if found < 0:
            at.kind = LEAF
            continue
        settings = h.settings
        shaky = doubts(
            h.scratch, h.counts[t, node], found, settings[BUDGET], settings[SPLIT_ROWS], settings[SIDE_ROWS], h.doubtful
        )
        at.champion = found
        at.feature, at.word = candidate(h, t, at.path, found)
        if not shaky:
            at.kind = ROBUST
            at.left, middle, top = hang(h, t, node, found, start, end, end)
            stack.append((int(at.left), int(end), int(middle)))
            stack.append((int(at.left) + 1, int(middle), int(top)))
            continue
        at.kind, at.slot = OPEN, h.used[t, SLOTS]
        h.used[t, SLOTS] += 1
        h.below[t, at.slot] = h.scratch
        h.child[t, at.slot] = -1
        for m in range(candidates):
            h.drawn[t, at.slot, m].feature, h.drawn[t, at.slot, m].word = candidate(h, t, at.path, m)
        if at.nested == 0:
            at.start, at.end = h.used[t, ORDERED], h.used[t, ORDERED] + end - start
            h.order[t, at.start : at.end] = h.arena[start:end]
            h.used[t, ORDERED] = at.end
        keep = at.nested < settings[NESTED]
        at.nested += 1
        to = end
        for m in range(candidates):
            if m == found or (keep and h.doubtful[m]):
                left, middle, top = hang(h, t, node, m, start, end, to)
                h.child[t, at.slot, m] = left
                stack.append((int(left), int(to), int(middle)))
                stack.append((int(left) + 1, int(middle), int(top)))
                to = top
    return True


@inner
def gather(h: Hedge, t: int, node: int) -> int:
    """Put the held rows that come to a node, open or below an open one, into the arena; return how many."""
    top = node
    while not (h.nodes[t, top].kind == OPEN and h.nodes[t, top].nested == 1):
        top = h.nodes[t, top].parent
    depth = h.nodes[t, node].depth - h.nodes[t, top].depth
    features, words, left = np.empty(depth, np.int64), np.empty(depth, np.uint64), np.empty(depth, np.bool_)
    at = node
    for k in range(depth - 1, -1, -1):  # asked from the top down, where most rows part
        parent = h.nodes[t, at].parent
        features[k], words[k] = candidate(h, t, h.nodes[t, parent].path, h.nodes[t, at].via)
        left[k] = h.nodes[t, at].path & np.uint64(1) == np.uint64(0)
        at = parent
    found = 0
    for row in h.order[t, h.nodes[t, top].start : h.nodes[t, top].end]:
        inside = h.label[row] >= 0
        k = 0
        while inside and k < depth:
            inside = goes_left(h, features[k], words[k], h.level[features[k], row]) == left[k]
            k += 1
        if inside:
            h.arena[found] = row
            found += 1
    return found


@inner
def switch(h: Hedge, t: int, node: int, found: int) -> bool:
    """Make another candidate an open node's champion, building its subtree if none is kept; False if there is no room."""
    at = h.nodes[t, node]
    at.champion = found
    if found < 0 or h.child[t, at.slot, found] >= 0:
        return True
    if h.used[t, PLACES] + 2 > h.nodes.shape[1]:
        return False
    rows = gather(h, t, node)
    left, middle, top = hang(h, t, node, found, 0, rows, rows)
    h.child[t, at.slot, found] = left
    return build(h, t, left + 1, middle, top) and build(h, t, left, rows, middle)


@inner
def forget_row(h: Hedge, t: int, row: int, label: int) -> int:
    """Take a row, no longer held, out of a tree and all its variants; return how many nodes changed their split, -1 if there is no room."""
    changed = 0
    stack = [0]
    while len(stack):
        node = stack.pop()
        at = h.nodes[t, node]
        if at.kind == ROBUST:
            stack.append(int(at.left) + (0 if goes_left(h, at.feature, at.word, h.level[at.feature, row]) else 1))
            continue
        h.counts[t, node, label] -= 1
        if at.kind == LEAF or at.champion < 0:
            continue
        below, child, drawn = h.below[t, at.slot], h.child[t, at.slot], h.drawn[t, at.slot]
        for m in range(len(below)):
            j = drawn[m].feature
            left = goes_left(h, j, drawn[m].word, h.level[j, row])
            if left:
                below[m, label] -= 1
            if child[m] >= 0:
                stack.append(int(child[m]) + (0 if left else 1))
        found = champion(below, h.counts[t, node], h.settings[SPLIT_ROWS], h.settings[SIDE_ROWS])
        if found != at.champion:
            changed += 1
            if not switch(h, t, node, found):
                return -1
    return changed


@inner
def active(h: Hedge, t: int, node: int) -> Any:
    """Return candidate and left child of a node as it is now, (-1, -1) if it is a leaf for now."""
    at = h.nodes[t, node]
    if at.kind == LEAF or at.champion < 0:
        return -1, -1
    return at.champion, at.left if at.kind == ROBUST else h.child[t, at.slot, at.champion]


@inner
def ask(h: Hedge, t: int, level: npt.NDArray[np.int32], out: npt.NDArray[np.float64]) -> None:
    """Add a tree's class shares, (n, C), for rows in bins (n, p)."""
    for i in range(len(level)):
        node = 0
        while True:
            m, left = active(h, t, node)
            if m < 0:
                break
            j, word = candidate(h, t, h.nodes[t, node].path, m)
            node = int(left) + (0 if goes_left(h, j, word, level[i, j]) else 1)
        counts = h.counts[t, node]
        n = counts.sum()
        if n:
            for y in range(len(counts)):
                out[i, y] += counts[y] / n


@inner
def plant(h: Hedge, t: int) -> bool:
    """Grow a tree from the held rows, from nothing; False if there is no room."""
    h.used[t, PLACES], h.used[t, SLOTS], h.used[t, ORDERED] = 1, 0, 0
    root = h.nodes[t, 0]
    root.path, root.depth, root.parent, root.via, root.nested = np.uint64(1), 0, -1, -1, 0
    rows = 0
    for row in range(len(h.label)):
        if h.label[row] >= 0:
            h.arena[rows] = row
            rows += 1
    return build(h, t, 0, 0, rows)


@compiled
def perform(
    h: Hedge,
    task: int,
    first: int,
    last: int,
    row: int,
    label: int,
    level: npt.NDArray[np.int32],
    out: npt.NDArray[np.float64],
) -> Any:
    """Do a task to the trees from ``first`` up to ``last``; return the tree that has no room (or ``last``) and nodes that changed.

    ``row`` and its ``label`` are what to forget, ``level`` (n, p) what to ask, ``out`` (n, C) where answers are added up.
    """
    total = 0
    for t in range(first, last):
        if task == PLANT:
            if not plant(h, t):
                return t, total
        elif task == ASK:
            ask(h, t, level, out)
        else:
            changed = forget_row(h, t, row, label)
            if changed < 0:
                return t, total
            total += changed
    return last, total


@compiled
def describe(h: Hedge, t: int, places: npt.NDArray[np.int32], chosen: npt.NDArray[np.int32]) -> int:
    """List a tree's places in preorder, and for each the candidate it is split by (-1: a leaf); return how many."""
    stack = [0]
    n = 0
    while len(stack):
        node = stack.pop()
        m, left = active(h, t, node)
        places[n], chosen[n] = node, m
        n += 1
        if m >= 0:
            stack.append(int(left) + 1)
            stack.append(int(left))
    return n
