"""Compiled: tasks on all trees of a forest."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.unlearning.exact.compiled import compiled, inner
from clients.unlearning.exact.dare.cut_kernels import goes_left, partition
from clients.unlearning.exact.dare.grove import LEAF, PENDING, SPLIT, Grove
from clients.unlearning.exact.dare.node_kernels import best, fill
from clients.unlearning.exact.dare.place_kernels import clear
from clients.unlearning.exact.dare.tree_kernels import forget_in_tree, grow, look_at, must_be_leaf, plant
from clients.unlearning.exact.hash_kernels import fold, mix

Rows = npt.NDArray[np.int32]
PLANT, SETTLE, ASK, FORGET, ADD = range(5)
"""Tasks on a tree."""


@inner
def leaf_of(g: Grove, t: int, x: npt.NDArray[np.float32]) -> int:
    """Return the leaf of a row with features (p,), after examining pending nodes on its path; -1 if the capacity is exceeded."""
    node = 0
    while True:
        if g.nodes[t, node].kind == PENDING and not look_at(g, t, node):
            return -1
        if g.nodes[t, node].kind == LEAF:
            return node
        j = g.nodes[t, node].feature
        node = g.nodes[t, node].left + (0 if goes_left(g.categorical[j], x[j], g.nodes[t, node].cut) else 1)


@inner
def ask(g: Grove, t: int, x: npt.NDArray[np.float32], out: npt.NDArray[np.float64]) -> bool:
    """Add a tree's class shares for rows (n, p) to ``out`` (n, C); False if the capacity is exceeded."""
    if g.counts[t, 0].sum() == 0:
        return True
    for i in range(len(x)):
        leaf = leaf_of(g, t, x[i])
        if leaf < 0:
            return False
        counts = g.counts[t, leaf]
        n = counts.sum()
        for y in range(len(counts)):
            out[i, y] += counts[y] / n
    return True


@inner
def make_room(g: Grove, t: int, added: Rows) -> None:
    """Insert new rows, already held, into the slices of their leaves, in one tree."""
    n = len(added)
    leaves = np.empty(n, np.int32)
    for i in range(n):
        node = 0
        while g.nodes[t, node].kind == SPLIT:
            j = g.nodes[t, node].feature
            node = g.nodes[t, node].left + (0 if goes_left(g.categorical[j], g.x[added[i], j], g.nodes[t, node].cut) else 1)
        leaves[i] = node
    old = g.order[t].copy()
    visited = [0][:0]
    stack = [0]
    at = 0
    while len(stack):
        node = stack.pop()
        visited.append(node)
        if g.nodes[t, node].kind == SPLIT:
            stack.append(int(g.nodes[t, node].left) + 1)
            stack.append(int(g.nodes[t, node].left))
            continue
        start, end = g.nodes[t, node].start, g.nodes[t, node].end
        g.nodes[t, node].start = at
        for i in range(start, end):
            if old[i] >= 0 and g.label[old[i]] >= 0:
                g.order[t, at] = old[i]
                at += 1
        for i in range(n):
            if leaves[i] == node:
                g.order[t, at] = added[i]
                at += 1
        g.nodes[t, node].end = at
    for i in range(len(visited) - 1, -1, -1):
        node = visited[i]
        if g.nodes[t, node].kind == SPLIT:
            left = g.nodes[t, node].left
            g.nodes[t, node].start, g.nodes[t, node].end = g.nodes[t, left].start, g.nodes[t, left + 1].end
    for i in range(at, len(old)):
        g.order[t, i] = -1


@inner
def add_to_tree(g: Grove, t: int, added: Rows) -> bool:
    """Add rows (2, n), which are in their leaves' slices, to a tree, and find the candidates on their paths again.

    Return False if the capacity is exceeded.
    """
    stack = [(0, 0, int(added.shape[1]))]
    while len(stack):
        node, low, high = stack.pop()
        for i in range(low, high):
            g.counts[t, node, added[1, i]] += 1
        if g.nodes[t, node].kind != SPLIT:
            g.nodes[t, node].kind = PENDING
            if not grow(g, t, node):
                return False
            continue
        j, cut = -1, np.float32(0)
        if not must_be_leaf(g.counts[t, node], g.nodes[t, node].depth, g.settings) and fill(g, t, node):
            j, cut = best(g, t, node)
        if j != g.nodes[t, node].feature or cut != g.nodes[t, node].cut:
            clear(g, t, node, True)
            g.nodes[t, node].kind = PENDING
            if not grow(g, t, node):
                return False
            continue
        middle = partition(g.categorical[j], g.x[:, j], cut, added, low, high)
        if low < middle:
            stack.append((int(g.nodes[t, node].left), low, middle))
        if middle < high:
            stack.append((int(g.nodes[t, node].left) + 1, middle, high))
    return True


@inner
def known(g: Grove, t: int, rows: Rows, mine: Rows) -> int:
    """Copy those of the rows (2, n) that a tree contains to ``mine``; return their number."""
    n = 0
    for i in range(rows.shape[1]):
        if g.member[rows[0, i], t]:
            mine[0, n], mine[1, n] = rows[0, i], rows[1, i]
            n += 1
    return n


@inner
def is_held(column: Rows, label: Rows, c: Any) -> Any:
    """Return whether a held row has this code."""
    found = False
    for start in range(0, len(column), 1024):
        many: Any = 0
        for i in range(start, min(start + 1024, len(column))):
            many += np.int32((column[i] == c) & (label[i] >= 0))
        if many:
            found = True
            break
    return found


@inner
def wipe(g: Grove, row: int) -> None:
    """Overwrite a row that is no longer held, and remove the ranks of its values if no other row has them, as a gap would reveal them."""
    for j in range(g.x.shape[1]):
        column, c = g.code[j], g.code[j, row]
        g.x[row, j], column[row] = 0, 0
        if c >= g.distinct[j] or is_held(column, g.label, c):
            continue
        for i in range(len(column)):
            column[i] -= np.int32(column[i] > c)
        last = g.distinct[j] - 1
        values, words = g.values[j, c : last + 1], g.word[j, c : last + 1]
        for i in range(len(values) - 1):
            values[i] = values[i + 1]
        for i in range(len(words) - 1):
            words[i] = words[i + 1]
        values[-1], words[-1] = 0, mix(np.uint64(0))
        g.distinct[j] = last


@inner
def tidy(g: Grove) -> None:
    """Overwrite the written part of the scratch arrays with zeros."""
    written = max(g.touched[0], g.sums.shape[1], g.x.shape[1]) + 3
    for k in range(min(written, g.ints.shape[1])):
        for i in range(len(g.ints)):
            g.ints[i, k] = 0
        for i in range(len(g.words)):
            g.words[i, k] = 0
    g.ends[:] = 0
    g.stack[:] = 0
    g.sums[:] = 0
    g.touched[0] = 0


@compiled
def perform(g: Grove, task: int, first: int, last: int, rows: Rows, x: npt.NDArray[np.float32], out: npt.NDArray[np.float64]) -> Any:
    """Perform a task on trees ``first .. last - 1``; return the tree that exceeded its capacity (or ``last``), and the replaced subtrees.

    ``rows`` (2, n) are numbers and labels of rows to forget or add, ``x`` (n, p) the inputs of predictions, whose class shares are added
    to ``out`` (n, C). All tasks share one function, because a compiled function that Python calls contains its own copy of all that it
    calls.
    """
    total, copies = 0, np.empty_like(rows)
    for t in range(first, last):
        room = True
        if task == PLANT:
            room = plant(g, t)
        elif task == SETTLE:
            room = grow(g, t, 0)
        elif task == ASK:
            room = ask(g, t, x, out)
        else:
            n = known(g, t, rows, copies)
            mine = copies[:, :n]
            if n and task == FORGET:
                replaced = forget_in_tree(g, t, mine)
                room = replaced >= 0
                total += replaced
            elif n:
                make_room(g, t, mine[0])
                room = add_to_tree(g, t, mine)
        if not room:
            tidy(g)
            return t, total
    if task == FORGET and last == len(g.key):
        for i in range(rows.shape[1]):
            wipe(g, rows[0, i])
    tidy(g)
    return last, total


@compiled
def spread(words: npt.NDArray[np.uint64]) -> None:
    """Replace each word by its hash, in place."""
    for i in range(words.shape[0]):
        for j in range(words.shape[1]):
            words[i, j] = mix(words[i, j])


@compiled
def members(keys: npt.NDArray[np.uint64], ids: npt.NDArray[np.int64], k: int) -> Any:
    """Return which trees contain which rows, uint8 (n, T): for each row the k trees with the smallest hashes of (tree's key, id)."""
    found = np.zeros((len(ids), len(keys)), np.uint8)
    ranks = np.empty(len(keys), np.uint64)
    for i in range(len(ids)):
        for t in range(len(keys)):
            ranks[t] = fold(fold(keys[t], 0), ids[i])
        for t in np.argsort(ranks, kind="mergesort")[:k]:
            found[i, t] = 1
    return found


@compiled
def describe(g: Grove, t: int, ids: npt.NDArray[np.int64], nodes: Rows, marks: npt.NDArray[np.uint64]) -> int:
    """Write the nodes of a tree without pending ones in preorder, and the sums of the leaves' hashed row ids; return their number."""
    stack = [0]
    n = 0
    while len(stack):
        node = stack.pop()
        nodes[n] = node
        marks[n] = 0
        if g.nodes[t, node].kind == SPLIT:
            stack.append(int(g.nodes[t, node].left) + 1)
            stack.append(int(g.nodes[t, node].left))
        else:
            for i in range(g.nodes[t, node].start, g.nodes[t, node].end):
                row = g.order[t, i]
                if row >= 0 and g.label[row] >= 0:
                    marks[n] += mix(fold(g.key[t], ids[row]))
        n += 1
    return n
