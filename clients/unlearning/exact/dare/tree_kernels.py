"""Compiled: growth of one tree, and its repair after rows are forgotten."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.unlearning.exact.compiled import bare
from clients.unlearning.exact.dare.cut_kernels import best_of, drop_all, goes_left, lower_all, partition, total
from clients.unlearning.exact.dare.grove import FEATURE, LEAF, NUMBER, PENDING, SPLIT, WHOLE, Grove
from clients.unlearning.exact.dare.node_kernels import (
    DEPTH,
    LAZY,
    SIDE_ROWS,
    SPARE,
    SPLIT_ROWS,
    best,
    blank_feature,
    fill,
    find_cuts,
    gather,
    tried,
)
from clients.unlearning.exact.dare.place_kernels import (
    FORGETTING,
    GROWING,
    PAIRS,
    SLOTS,
    blank,
    clear,
    give,
    give_slot,
    take,
)

Rows = npt.NDArray[np.int32]

FEW = 8
"""Maximum number of rows for which searching each is faster than testing every row of a node."""


@bare
def must_be_leaf(counts: Rows, depth: int, settings: npt.NDArray[np.int64]) -> Any:
    """Return whether depth, number of rows or purity make a node a leaf."""
    n, most = 0, 0
    for y in range(len(counts)):
        n, most = n + counts[y], max(most, counts[y])
    return depth >= settings[DEPTH] or n < settings[SPLIT_ROWS] or most == n


@bare
def strike(stretch: Rows, label: Rows, gone: Rows) -> None:
    """Replace the rows of a node's slice that are no longer held by -1, because their positions would reveal earlier splits.

    A few rows are searched one after the other along the slice; such loops compile to vector instructions.
    """
    if len(gone) <= FEW:
        for row in gone:
            for i in range(len(stretch)):
                stretch[i] = np.int32(-1) if stretch[i] == row else stretch[i]
        return
    for i in range(len(stretch)):
        row = stretch[i]
        if row >= 0 and label[np.uint32(row)] < 0:
            stretch[i] = -1


@bare
def divide(g: Grove, t: int, node: int) -> bool:
    """Create the two pending children of a node with a best split, and partition its rows; False if the capacity is exceeded."""
    left = take(g.free[PAIRS, t])
    if left < 0:
        return False
    order, counts, spare = g.order[t], g.counts[t], g.ints[SPARE]
    g.nodes[t, node].kind, g.nodes[t, node].left = SPLIT, left
    j, cut = g.nodes[t, node].feature, g.nodes[t, node].cut
    here, label = counts[left], g.label
    for y in range(len(here)):
        here[y] = 0
    start, x, categorical = g.nodes[t, node].start, g.x[:, j], g.categorical[j]
    g.touched[0] = max(g.touched[0], g.nodes[t, node].end - start)
    middle, right = start, np.int32(0)
    for i in range(start, g.nodes[t, node].end):
        row = order[i]
        y = label[np.uint32(row)] if row >= 0 else -1
        if y < 0:
            continue
        left_side = np.int32(goes_left(categorical, x[np.uint32(row)], cut))
        order[middle], spare[right] = row, row  # no branch on the side, which cannot be predicted
        middle += left_side
        right += 1 - left_side
        here[np.uint32(y)] += left_side
    for y in range(counts.shape[1]):
        counts[left + 1, y] = counts[node, y] - counts[left, y]
    for i in range(right):
        order[middle + i] = spare[i]
    for i in range(middle + right, g.nodes[t, node].end):
        order[i] = -1
    g.nodes[t, left].start, g.nodes[t, left].end = start, middle
    g.nodes[t, left + 1].start, g.nodes[t, left + 1].end = middle, middle + right
    for side in range(2):
        g.nodes[t, left + side].kind = PENDING
        g.nodes[t, left + side].depth = g.nodes[t, node].depth + 1
        g.nodes[t, left + side].path = g.nodes[t, node].path * np.uint64(2) + np.uint64(side)
    return True


@bare
def look_at(g: Grove, t: int, node: int) -> bool:
    """Make a pending node a leaf or a split with pending children; False if the capacity is exceeded."""
    if must_be_leaf(g.counts[t, node], g.nodes[t, node].depth, g.settings):
        g.nodes[t, node].kind = LEAF
        return True
    slot = take(g.free[SLOTS, t])
    if slot < 0:
        return False
    g.nodes[t, node].slot = slot
    if fill(g, t, node) == 0:
        give_slot(g, t, slot)
        g.nodes[t, node].kind, g.nodes[t, node].slot = LEAF, 0
        return True
    g.nodes[t, node].feature, g.nodes[t, node].cut = best(g, t, node)
    return divide(g, t, node)


@bare
def grow(g: Grove, t: int, node: int) -> bool:
    """Examine every pending node of a subtree; False if the capacity is exceeded."""
    stack = g.stack[GROWING, 0]
    stack[0] = node
    waiting = 1
    while waiting:
        waiting -= 1
        at = stack[waiting]
        if g.nodes[t, at].kind == PENDING and not look_at(g, t, at):
            return False
        if g.nodes[t, at].kind == SPLIT:
            stack[waiting] = g.nodes[t, at].left
            stack[waiting + 1] = g.nodes[t, at].left + 1
            waiting += 2
    return True


@bare
def plant(g: Grove, t: int) -> bool:
    """Grow a tree from its rows; False if the capacity is exceeded."""
    pairs = g.free.shape[2] - 1
    if g.nodes[t, 0].kind:  # a former tree is overwritten
        for node in range(g.nodes.shape[1]):
            blank(g, t, node)
        for slot in range(g.heads.shape[1]):
            for f in range(g.heads.shape[2]):
                blank_feature(g, t, slot, f)
    g.free[PAIRS, t, pairs], g.free[SLOTS, t, pairs] = 0, 0
    for i in range(pairs - 1, -1, -1):
        give(g.free[SLOTS, t], i)
        if i:  # index 0 is the root
            give(g.free[PAIRS, t], 2 * i)
    n = 0
    for y in range(g.counts.shape[2]):
        g.counts[t, 0, y] = 0
    for row in range(len(g.label)):
        if g.label[row] >= 0 and g.member[row, t]:
            g.order[t, n] = row
            n += 1
            g.counts[t, 0, g.label[row]] += 1
    for i in range(n, g.order.shape[1]):
        g.order[t, i] = -1
    g.nodes[t, 0].kind, g.nodes[t, 0].start, g.nodes[t, 0].end, g.nodes[t, 0].depth, g.nodes[t, 0].path = PENDING, 0, n, 0, 1
    return grow(g, t, 0)


@bare
def repair_cuts(g: Grove, t: int, node: int, features: int) -> int:
    """Find more cuts for features that have too few; return 0 if the node cannot be split."""
    s = g.nodes[t, node].slot
    for f in range(features):
        if g.heads[t, s, f, NUMBER] < tried(g, g.nodes[t, node].depth) and not g.heads[t, s, f, WHOLE]:
            find_cuts(g, t, node, gather(g, t, node), f, g.heads[t, s, f, FEATURE])
        if g.heads[t, s, f, NUMBER] == 0:
            return fill(g, t, node)
    return 1


@bare
def split_again(g: Grove, t: int, node: int) -> bool:
    """Replace the subtrees of a split whose best candidate has changed; False if the capacity is exceeded."""
    lazy = g.settings[LAZY] == 1
    clear(g, t, node, lazy)
    if lazy:
        g.nodes[t, node].kind = PENDING
        return True
    return divide(g, t, node) and grow(g, t, node)


@bare
def forget_in_tree(g: Grove, t: int, gone: Rows) -> int:
    """Remove rows (2, n: numbers, labels), no longer held, from a tree; return the replaced subtrees, -1 if the capacity is exceeded."""
    replaced, side, lazy = 0, np.int32(g.settings[SIDE_ROWS]), g.settings[LAZY] == 1
    stack = g.stack[FORGETTING]
    stack[0, 0], stack[1, 0], stack[2, 0] = 0, 0, gone.shape[1]
    waiting = 1
    while waiting:
        waiting -= 1
        node, low, high = stack[0, waiting], stack[1, waiting], stack[2, waiting]
        for i in range(low, high):
            g.counts[t, node, gone[1, i]] -= 1
        if g.nodes[t, node].kind != SPLIT:
            strike(g.order[t, g.nodes[t, node].start : g.nodes[t, node].end], g.label, gone[0, low:high])
            continue
        splits = not must_be_leaf(g.counts[t, node], g.nodes[t, node].depth, g.settings)
        if splits:
            slot, most, n = g.nodes[t, node].slot, tried(g, g.nodes[t, node].depth), np.int32(total(g.counts[t, node]))
            heads, cells, floats = g.heads[t, slot], g.cells[t, slot], g.floats[t, slot]
            vanished = lower_all(heads, cells, floats, g.categorical, g.x, gone[:, low:high])
            j, cut, least = best_of(heads, cells, floats, g.counts[t, node], most, g.ints[SPARE], g.sums, g.merits)
            if vanished or least < side:
                features, short = drop_all(heads, cells, floats, n, side, most)
                splits = not short or repair_cuts(g, t, node, features) > 0
                if splits:
                    j, cut = best(g, t, node)
        if not splits:
            clear(g, t, node, True)
            strike(g.order[t, g.nodes[t, node].start : g.nodes[t, node].end], g.label, gone[0, low:high])
            g.nodes[t, node].kind = LEAF
            replaced += 1
            continue
        if j != g.nodes[t, node].feature or cut != g.nodes[t, node].cut:
            g.nodes[t, node].feature, g.nodes[t, node].cut = j, cut
            replaced += 1
            if lazy:
                strike(g.order[t, g.nodes[t, node].start : g.nodes[t, node].end], g.label, gone[0, low:high])
            if not split_again(g, t, node):
                return -1
            continue
        middle = partition(g.categorical[j], g.x[:, j], cut, gone, low, high)
        if low < middle:
            stack[0, waiting], stack[1, waiting], stack[2, waiting] = g.nodes[t, node].left, low, middle
            waiting += 1
        if middle < high:
            stack[0, waiting], stack[1, waiting], stack[2, waiting] = g.nodes[t, node].left + 1, middle, high
            waiting += 1
    return replaced
