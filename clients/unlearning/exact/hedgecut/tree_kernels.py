"""Compiled: growth of trees, removal of rows, and predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.unlearning.exact.compiled import bare, compiled
from clients.unlearning.exact.hedgecut.hedge import LEAF, OPEN, ROBUST, Hedge
from clients.unlearning.exact.hedgecut.node_kernels import (
    BUILDING,
    FORGETTING,
    NESTED,
    PLACES,
    RIVALS,
    SIDE_ROWS,
    SPLIT_ROWS,
    blank,
    blank_rival,
    crown,
    examine,
    prune,
    splits,
)
from clients.unlearning.exact.hedgecut.proof_kernels import merit, total
from clients.unlearning.exact.hedgecut.row_kernels import goes_left, step, strike, tidy, trace, wipe

PLANT, FORGET, ASK = range(3)
"""Tasks on a tree."""


@bare
def branch(h: Hedge, t: int, node: int, m: int) -> Any:
    """Create the two children of a node that belong to candidate m, unexamined; return the left one."""
    at, left = h.nodes[t, node], h.used[t, PLACES]
    h.used[t, PLACES] += 2
    for side in range(2):
        new = h.nodes[t, left + side]
        new.path = at.path * np.uint64(2) + np.uint64(side)
        new.depth, new.parent, new.via = at.depth + 1, node, m
        new.nested = at.nested + (1 if at.kind == OPEN else 0)
        new.champion, new.rivals, new.left = -1, 0, -1
    return left


@bare
def furnish(h: Hedge, t: int, node: int, waiting: int) -> int:
    """Create the children that a node lacks, on the stack; return the stack's length, -1 if the capacity is exceeded."""
    at, stack = h.nodes[t, node], h.stack[BUILDING]
    if h.used[t, PLACES] + 2 * len(h.doubtful) > h.nodes.shape[1]:
        return -1
    if at.kind == ROBUST and at.left < 0:
        at.left = branch(h, t, node, at.champion)
        stack[waiting], stack[waiting + 1] = at.left, at.left + 1
        waiting += 2
    for i in range(at.first, at.first + at.rivals):
        rival = h.rivals[t, i]
        if rival.child < 0 and (rival.number == at.champion or at.nested < h.settings[NESTED]):
            rival.child = branch(h, t, node, rival.number)
            stack[waiting], stack[waiting + 1] = rival.child, rival.child + 1
            waiting += 2
        if rival.number == at.champion:
            at.left = rival.child
    return waiting


@bare
def build(h: Hedge, t: int, top: int) -> bool:
    """Grow the subtrees that an examined node lacks, from its rows in ``here``; False if the capacity is exceeded."""
    waiting = furnish(h, t, top, 0)
    while waiting > 0:
        node = h.stack[BUILDING, waiting - 1]
        step(h, t, node)  # ``here`` still has its parent's rows, because only deeper nodes have been examined since
        if not examine(h, t, node):
            return False
        waiting = furnish(h, t, node, waiting - 1)
    return waiting == 0


@bare
def revise(h: Hedge, t: int, node: int, found: int) -> Any:
    """Examine a node again if its proof has expired, else split it by the rival ``found``; return as ``forget_row`` does.

    The rest of the removal is in ``forget_row`` itself, because a whole hedge, over a kilobyte, would be copied at each call.
    """
    at = h.nodes[t, node]
    before = at.champion
    trace(h, t, node)
    if at.patience < 0:
        if not examine(h, t, node):
            return -1
    elif found < 0:
        prune(h, t, node)
    else:
        crown(h, t, node, h.rivals[t, found].number, h.rivals[t, found].child)
    if at.champion >= 0 and not build(h, t, node):
        return -1
    return 1 if at.champion != before else 0


@bare
def forget_row(h: Hedge, t: int, row: int, label: int) -> int:
    """Remove a row, no longer held, from a tree and all its variants.

    Return the number of nodes with another split, -1 if the capacity is exceeded.
    """
    changed, waiting = 0, 1
    stack, level, nodes, rivals, below = h.stack[FORGETTING], h.level[row], h.nodes[t], h.rivals[t], h.below[t]
    split_rows, side_rows = h.settings[SPLIT_ROWS], h.settings[SIDE_ROWS]
    stack[0] = 0
    while waiting:
        waiting -= 1
        node = stack[waiting]
        at, counts = nodes[node], h.counts[t, node]
        if at.kind == 0:
            continue  # removed since
        at.patience -= 1
        found, top = -1, -1.0
        if at.kind == ROBUST:
            stack[waiting] = at.left + (0 if goes_left(at.cut, at.mask, level[at.feature]) else 1)
            waiting += 1
        else:
            counts[label] -= 1
            if at.kind == LEAF:
                continue
            n = total(counts)
            for i in range(at.first, at.first + at.rivals):
                left = goes_left(rivals[i].cut, rivals[i].mask, level[rivals[i].feature])
                below[i, label] -= left
                if rivals[i].child >= 0:
                    stack[waiting] = rivals[i].child + (0 if left else 1)
                    waiting += 1
                value = merit(below[i], counts, n, side_rows)
                if value > top:
                    found, top = i, value
            if not splits(counts, split_rows):
                found = -1
            elif found >= 0 and rivals[found].number == at.champion and at.patience >= 0:
                continue
        if at.patience < 0 or at.kind == OPEN:
            change = revise(h, t, node, found)
            if change < 0:
                return -1
            changed += change
    return changed


@bare
def ask(h: Hedge, t: int, level: npt.NDArray[np.int16], out: npt.NDArray[np.float64]) -> None:
    """Add a tree's class shares for rows in bins (n, p) to ``out`` (n, C)."""
    for i in range(len(level)):
        node = 0
        while h.nodes[t, node].kind != LEAF:
            at = h.nodes[t, node]
            node = at.left + (0 if goes_left(at.cut, at.mask, level[i, at.feature]) else 1)
        counts = h.counts[t, node]
        n = 0
        for y in range(len(counts)):
            n += counts[y]
        if n:
            for y in range(len(counts)):
                out[i, y] += counts[y] / n


@bare
def plant(h: Hedge, t: int) -> bool:
    """Grow a tree from the held rows; False if the capacity is exceeded."""
    for place in range(h.used[t, PLACES]):
        blank(h, t, place)
    for place in range(h.used[t, RIVALS]):
        blank_rival(h, t, place)
    h.used[t, PLACES], h.used[t, RIVALS] = 1, 0
    root = h.nodes[t, 0]
    root.path, root.depth, root.parent, root.nested = np.uint64(1), 0, -1, 0
    root.champion, root.rivals, root.left = -1, 0, -1
    trace(h, t, 0)
    return examine(h, t, 0) and build(h, t, 0)


@compiled
def levels(x: npt.NDArray[np.float32], edges: npt.NDArray[np.float64], cuts: npt.NDArray[np.int64], found: npt.NDArray[np.int16]) -> None:
    """Write the bins of numeric features and the categories of others, for rows (n, p), to ``found`` (n, p).

    ``edges`` are those of all features in turn, ``cuts`` (p,) their numbers. Categories are taken modulo 64, the number of bits of a mask.
    """
    for i in range(len(x)):
        first = 0
        for j in range(len(cuts)):
            low, high, value = first, first + cuts[j], np.float64(x[i, j])
            while low < high:  # finds the first edge that is at least the value
                middle = (low + high) // 2
                if edges[middle] < value:
                    low = middle + 1
                else:
                    high = middle
            found[i, j] = low - first if cuts[j] else np.int64(value) & 63
            first += cuts[j]


@compiled
def perform(
    h: Hedge,
    task: int,
    first: int,
    last: int,
    row: int,
    label: int,
    level: npt.NDArray[np.int16],
    out: npt.NDArray[np.float64],
) -> Any:
    """Perform a task on trees ``first .. last - 1``; return the tree that exceeded its capacity (or ``last``), and the changed nodes.

    ``row`` with its ``label`` is to be forgotten, ``level`` (n, p) are inputs of predictions, whose class shares are added to ``out``
    (n, C).
    """
    changes = 0
    if task == FORGET:
        strike(h, row, label)
    for t in range(first, last):
        if task == PLANT:
            if not plant(h, t):
                tidy(h)
                return t, changes
        elif task == ASK:
            ask(h, t, level, out)
        else:
            changed = forget_row(h, t, row, label)
            if changed < 0:
                tidy(h)
                return t, changes
            changes += changed
    if task == FORGET:
        wipe(h, row)
    tidy(h)
    return last, changes


@compiled
def describe(h: Hedge, t: int, places: npt.NDArray[np.int32], chosen: npt.NDArray[np.int32]) -> int:
    """Write the nodes of a tree in preorder, and the number of each one's split (-1: a leaf); return their number."""
    stack = [0]
    n = 0
    while len(stack):
        node = stack.pop()
        at = h.nodes[t, node]
        places[n], chosen[n] = node, at.champion
        n += 1
        if at.kind != LEAF:
            stack.append(int(at.left) + 1)
            stack.append(int(at.left))
    return n
