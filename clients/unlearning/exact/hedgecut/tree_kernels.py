"""Compiled: growing trees, forgetting in them, asking them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.unlearning.exact.compiled import bare, compiled
from clients.unlearning.exact.hedgecut.hedge import LEAF, OPEN, ROBUST, Hedge
from clients.unlearning.exact.hedgecut.node_kernels import (
    BUDGET,
    EXTRA,
    NESTED,
    ORDERED,
    PLACES,
    SIDE_ROWS,
    SLOTS,
    SPLIT_ROWS,
    as_drawn,
    candidate,
    champion,
    goes_left,
    hang,
    study,
)
from clients.unlearning.exact.hedgecut.proof_kernels import doubts

PLANT, FORGET, ASK = range(3)
"""What can be done to a tree."""

FORGETTING, BUILDING = range(2)
"""Who has which stack."""


@bare
def later(stack: npt.NDArray[np.int32], waiting: int, left: int, start: int, middle: int, end: int) -> int:
    """Put two children with their stretches of the arena on the stack; return how many nodes wait."""
    for side in range(2):
        stack[waiting + side, 0] = left + side
        stack[waiting + side, 1] = middle if side else start
        stack[waiting + side, 2] = end if side else middle
    return waiting + 2


@bare
def remember(h: Hedge, t: int, node: int, start: int, end: int) -> None:
    """Keep an open node's rows, if it lies below none or has at most half the rows of the last one above it that keeps its own."""
    at, rows = h.nodes[t, node], end - start
    at.start = -1
    if at.nested == 0:
        at.start = h.used[t, ORDERED]
        h.used[t, ORDERED] += rows
    elif 2 * rows <= at.wider and h.used[t, EXTRA] + rows <= h.order.shape[1]:
        at.start = h.used[t, EXTRA]
        h.used[t, EXTRA] += rows
    if at.start >= 0:
        at.end, at.wider = at.start + rows, rows
        for i in range(rows):
            h.order[t, at.start + i] = h.arena[start + i]


@bare
def build(h: Hedge, t: int, root: int, first: int, last: int) -> bool:
    """Build a node from a stretch of the arena, behind which all is free; False if there is no room.

    Nodes wait on a stack whose rows lie in the arena in the same order, so whatever lies behind a node's rows when its turn comes is free.
    """
    candidates = h.below.shape[3]
    stack = h.stack[BUILDING]
    stack[0, 0], stack[0, 1], stack[0, 2] = root, first, last
    waiting = 1
    while waiting:
        waiting -= 1
        node, start, end = stack[waiting, 0], stack[waiting, 1], stack[waiting, 2]
        if h.used[t, PLACES] + 2 * candidates > h.nodes.shape[1] or h.used[t, SLOTS] == h.below.shape[1]:
            return False
        found = study(h, t, node, start, end)
        at = h.nodes[t, node]
        if found < 0:
            at.kind = LEAF
            continue
        settings = h.settings
        shaky = doubts(h.scratch, h.counts[t, node], found, settings[BUDGET], settings[SPLIT_ROWS], settings[SIDE_ROWS], h.doubtful, h.work)
        at.champion = found
        at.feature, word = candidate(h.key[t], h.edges, at.path, found)
        at.cut, at.mask = as_drawn(h.edges[at.feature] > 0, word)
        if not shaky:
            at.kind = ROBUST
            at.left, middle, top = hang(h, t, node, found, start, end, end)
            waiting = later(stack, waiting, at.left, end, middle, top)
            continue
        at.kind, at.slot = OPEN, h.used[t, SLOTS]
        h.used[t, SLOTS] += 1
        for m in range(candidates):
            drawn = h.drawn[t, at.slot, m]
            drawn.feature, word = candidate(h.key[t], h.edges, at.path, m)
            drawn.cut, drawn.mask = as_drawn(h.edges[drawn.feature] > 0, word)
            h.child[t, at.slot, m] = -1
            for y in range(h.scratch.shape[0]):
                h.below[t, at.slot, y, m] = h.scratch[y, m]
        remember(h, t, node, start, end)
        keep = at.nested < settings[NESTED]
        at.nested += 1
        to = end
        for m in range(candidates):
            if m == found or (keep and h.doubtful[m]):
                left, middle, top = hang(h, t, node, m, start, end, to)
                h.child[t, at.slot, m] = left
                waiting = later(stack, waiting, left, to, middle, top)
                to = top
    return True


@bare
def gather(h: Hedge, t: int, node: int) -> int:
    """Put the held rows that come to a node, open or below an open one, into the arena; return how many."""
    top = node
    while h.nodes[t, top].kind != OPEN or h.nodes[t, top].start < 0:
        top = h.nodes[t, top].parent
    turns, at = h.turns, node
    depth = h.nodes[t, node].depth - h.nodes[t, top].depth
    for k in range(depth - 1, -1, -1):  # asked from the top down, where most rows part
        parent = h.nodes[t, at].parent
        turn = turns[k]
        turn.feature, word = candidate(h.key[t], h.edges, h.nodes[t, parent].path, h.nodes[t, at].via)
        turn.cut, turn.mask = as_drawn(h.edges[turn.feature] > 0, word)
        turn.left = h.nodes[t, at].path & np.uint64(1) == np.uint64(0)
        at = parent
    found = 0
    for i in range(h.nodes[t, top].start, h.nodes[t, top].end):
        row = h.order[t, i]
        inside = h.label[row] >= 0
        k = 0
        while inside and k < depth:
            turn = turns[k]
            inside = goes_left(turn.cut, turn.mask, h.level[turn.feature, row]) == (turn.left == 1)
            k += 1
        if inside:
            h.arena[found] = row
            found += 1
    return found


@bare
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


@bare
def forget_row(h: Hedge, t: int, row: int, label: int) -> int:
    """Take a row, no longer held, out of a tree and all its variants; return how many nodes changed their split, -1 if there is no room."""
    changed, waiting = 0, 1
    stack, toward = h.stack[FORGETTING, :, 0], h.toward
    stack[0] = 0
    while waiting:
        waiting -= 1
        node = stack[waiting]
        at = h.nodes[t, node]
        if at.kind == ROBUST:
            stack[waiting] = at.left + (0 if goes_left(at.cut, at.mask, h.level[at.feature, row]) else 1)
            waiting += 1
            continue
        h.counts[t, node, label] -= 1
        if at.kind == LEAF or at.champion < 0:
            continue
        below, child, drawn = h.below[t, at.slot], h.child[t, at.slot], h.drawn[t, at.slot]
        own = below[label]
        for m in range(len(child)):
            toward[m] = goes_left(drawn[m].cut, drawn[m].mask, h.level[drawn[m].feature, row])
        for m in range(len(child)):
            own[m] -= toward[m]
        for m in range(len(child)):
            if child[m] >= 0:
                stack[waiting] = child[m] + 1 - toward[m]
                waiting += 1
        found = champion(below, h.counts[t, node], h.settings, h.sums, h.bits)
        if found != at.champion:
            changed += 1
            if not switch(h, t, node, found):
                return -1
    return changed


@bare
def active(h: Hedge, t: int, node: int) -> Any:
    """Return candidate and left child of a node as it is now, (-1, -1) if it is a leaf for now."""
    at = h.nodes[t, node]
    if at.kind == LEAF or at.champion < 0:
        return -1, -1
    return at.champion, at.left if at.kind == ROBUST else h.child[t, at.slot, at.champion]


@bare
def ask(h: Hedge, t: int, level: npt.NDArray[np.int32], out: npt.NDArray[np.float64]) -> None:
    """Add a tree's class shares, (n, C), for rows in bins (n, p)."""
    for i in range(len(level)):
        node = 0
        while True:
            m, left = active(h, t, node)
            if m < 0:
                break
            j, word = candidate(h.key[t], h.edges, h.nodes[t, node].path, m)
            cut, mask = as_drawn(h.edges[j] > 0, word)
            node = int(left) + (0 if goes_left(cut, mask, level[i, j]) else 1)
        counts = h.counts[t, node]
        n = 0
        for y in range(len(counts)):
            n += counts[y]
        if n:
            for y in range(len(counts)):
                out[i, y] += counts[y] / n


@bare
def plant(h: Hedge, t: int) -> bool:
    """Grow a tree from the held rows, from nothing; False if there is no room."""
    h.used[t, PLACES], h.used[t, SLOTS], h.used[t, ORDERED], h.used[t, EXTRA] = 1, 0, 0, len(h.label)
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
