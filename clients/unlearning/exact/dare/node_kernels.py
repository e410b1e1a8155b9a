"""Compiled: the candidate cuts of one node, and the best of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.unlearning.exact.compiled import bare
from clients.unlearning.exact.dare.cut_kernels import BEYOND, best_of
from clients.unlearning.exact.dare.grove import AT, FEATURE, NUMBER, WHOLE, Grove
from clients.unlearning.exact.dare.pick_kernels import count_rows, count_values, divisible, margins, pick, sum_values
from clients.unlearning.exact.hash_kernels import fold, mix

FEATURES, CUTS, DEPTH, RANDOM, SPLIT_ROWS, SIDE_ROWS, LAZY = range(7)
"""Indices of a grove's settings."""

CODES, ROWS, PICKS, SPARE, PLACES, LOOKED = range(6)
"""Indices of the integer scratch arrays."""

HASHES, RANKS, MARKS = range(3)
"""Indices of the scratch arrays of words."""

Rows = npt.NDArray[np.int32]
Floats = npt.NDArray[Any]


@bare
def gather(g: Grove, t: int, node: int) -> int:
    """Write the held rows of a node, sorted by class, to a scratch array; return their number."""
    order, label, rows, ends = g.order[t], g.label, g.ints[ROWS], g.ends
    n = 0
    for y in range(len(ends)):
        ends[y] = n
        n += g.counts[t, node, y]
    for i in range(g.nodes[t, node].start, g.nodes[t, node].end):
        row = order[i]
        y = label[np.uint32(row)] if row >= 0 else -1
        if y >= 0:
            rows[np.uint32(ends[np.uint32(y)])] = row
            ends[np.uint32(y)] += 1
    g.touched[0] = max(g.touched[0], n)
    return n


@bare
def from_rows(g: Grove, cell: Rows, n: int, j: int, key: Any) -> int:
    """Find a feature's cuts from the n gathered rows, without a histogram of its values; return their number."""
    code, rows, codes, looked, side = g.code[j], g.ints[ROWS], g.ints[CODES], g.ints[CODES], g.settings[SIDE_ROWS]
    for i in range(n):
        codes[i] = code[np.uint32(rows[i])]
    low, high, many = np.int32(0), BEYOND, n
    if g.categorical[j]:
        looked, rows_of, many = g.ints[LOOKED], g.histogram[0], 0
        for i in range(n):
            rows_of[np.uint32(codes[i])] += 1
        for i in range(n):
            looked[many] = codes[i]
            many += side <= rows_of[np.uint32(codes[i])] <= n - side
        for i in range(n):
            rows_of[np.uint32(codes[i])] = 0
    else:
        low, high = margins(codes, n, side, g.ints[SPARE])
        if low >= high:
            return 0
    chosen = choose(g, looked, many, j, key, low, high, cell.shape[1])
    count_rows(cell, codes, g.ends, g.ints[PICKS], chosen, g.categorical[j])
    return chosen


@bare
def from_values(g: Grove, cell: Rows, n: int, j: int, key: Any) -> int:
    """Find a feature's cuts from a histogram of its values on the n gathered rows; return their number."""
    distinct, categorical = g.distinct[j], g.categorical[j]
    count_values(g.ints[ROWS], g.ends, g.code[j], g.histogram)
    many = divisible(g.histogram, distinct, n, g.settings[SIDE_ROWS], categorical, g.ints[CODES])
    chosen = choose(g, g.ints[CODES], many, j, key, np.int32(0), BEYOND, cell.shape[1])
    sum_values(cell, g.ints[PICKS], chosen, g.histogram, distinct, categorical)
    return chosen


@bare
def choose(g: Grove, codes: Rows, many: int, j: int, key: Any, low: Any, high: Any, k: int) -> int:
    """Pick from codes of feature j, with the grove's scratch arrays; see ``pick``."""
    ints, words = (g.ints[PLACES], g.ints[SPARE]), (g.words[HASHES], g.words[MARKS])
    return pick(codes, many, key, g.word[j], low, high, g.ints[PICKS], k, ints, words, g.seen)


@bare
def find_cuts(g: Grove, t: int, node: int, n: int, f: int, j: int) -> int:
    """Fill the cuts of feature j, place f of the node's slot, from the n rows gathered; return how many there are.

    Many values on few rows are not worth a histogram; what is found is the same.
    """
    slot = g.nodes[t, node].slot
    cell, head, at = g.cells[t, slot, f], g.heads[t, slot, f], g.floats[t, slot, f, AT]
    key = fold(fold(g.key[t], g.nodes[t, node].path), j)
    g.touched[0] = max(g.touched[0], g.distinct[j] if g.tabled[j] else 0)
    chosen = from_values(g, cell, n, j, key) if g.tabled[j] else from_rows(g, cell, n, j, key)
    for i in range(chosen):
        at[i] = g.values[j, g.ints[PICKS, i]]
    for i in range(chosen, len(at)):
        for row in range(len(cell)):
            cell[row, i] = 0
        at[i] = np.nan  # neither above nor equal to anything
    head[FEATURE], head[NUMBER], head[WHOLE] = j, chosen, chosen < len(at)
    return chosen


@bare
def blank_feature(g: Grove, t: int, slot: int, f: int) -> None:
    """Overwrite the f-th feature of a slot, if it has one."""
    head, cell = g.heads[t, slot, f], g.cells[t, slot, f]
    if head[WHOLE] == 0 and head[NUMBER] == 0:
        return
    for i in range(len(head)):
        head[i] = 0
    for row in range(len(cell)):
        for i in range(cell.shape[1]):
            cell[row, i] = 0


@bare
def fill(g: Grove, t: int, node: int) -> int:
    """Fill the node's slot with the first features, in keyed order, that have valid cuts; return their number."""
    s = g.nodes[t, node].slot
    p = len(g.categorical)
    limit = 1 if g.nodes[t, node].depth < g.settings[RANDOM] else g.settings[FEATURES]
    key = fold(g.key[t], g.nodes[t, node].path)
    ranks = g.words[RANKS]
    for j in range(p):
        ranks[j] = mix(fold(key, j))
    n = gather(g, t, node)
    kept = 0
    for _ in range(p):
        j = 0
        for i in range(1, p):
            if ranks[i] < ranks[j]:
                j = i
        if find_cuts(g, t, node, n, kept, j):
            kept += 1
            if kept == limit:
                break
        ranks[j] = np.uint64(0xFFFFFFFFFFFFFFFF)
    for f in range(kept, g.heads.shape[2]):  # a number of 0 ends the list
        blank_feature(g, t, s, f)
    return kept


@bare
def tried(g: Grove, depth: int) -> Any:
    """Return the number of cuts per feature that are tried at a node of this depth."""
    return 1 if depth < g.settings[RANDOM] else g.settings[CUTS]


@bare
def best(g: Grove, t: int, node: int) -> Any:
    """Return feature and cut of the node's best candidate."""
    s, most = g.nodes[t, node].slot, tried(g, g.nodes[t, node].depth)
    j, cut, _ = best_of(g.heads[t, s], g.cells[t, s], g.floats[t, s], g.counts[t, node], most, g.ints[SPARE], g.sums, g.merits)
    return j, cut
