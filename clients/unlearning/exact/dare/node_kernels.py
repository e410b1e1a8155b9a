"""Compiled: the cuts tried at one node, and the best of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.unlearning.exact.compiled import bare
from clients.unlearning.exact.dare.cut_kernels import BEYOND, count_below, count_values, divisible, outermost, pick, rank, sum_below
from clients.unlearning.exact.dare.grove import AT, BELOW, FEATURE, NUMBER, TIES, WHOLE, Grove
from clients.unlearning.exact.hash_kernels import fold, mix

FEATURES, CUTS, DEPTH, RANDOM, SPLIT_ROWS, SIDE_ROWS, LAZY = range(7)
"""Places in a grove's settings."""

TOUCHED, ROWS, PICKS, SPARE, PLACES = range(5)
"""Scratch integers."""

HASHES, RANKS, MARKS = range(3)
"""Scratch words."""

MANY = 64
"""Values of a feature above which a node's rows are looked at one by one."""

Rows = npt.NDArray[np.int32]
Floats = npt.NDArray[Any]


@bare
def gather(g: Grove, t: int, node: int) -> int:
    """Write the node's rows, class by class and without holes, to scratch; return how many there are."""
    order, label, rows, ends = g.order[t], g.label, g.ints[ROWS], g.ends
    n = 0
    for y in range(len(ends)):
        ends[y] = n
        n += g.counts[t, node, y]
    for i in range(g.nodes[t, node].start, g.nodes[t, node].end):
        row = order[i]
        if row >= 0 and label[row] >= 0:
            rows[ends[label[row]]] = row
            ends[label[row]] += 1
    return n


@bare
def from_rows(g: Grove, cell: Rows, n: int, j: int, key: Any) -> int:
    """Fill a feature's cuts from the n rows gathered, without a histogram; return how many there are."""
    code, rows, codes, side, picks = g.code[j], g.ints[ROWS], g.ints[TOUCHED], g.settings[SIDE_ROWS], g.ints[PICKS]
    low, high = outermost(rows, n, code, side, 1, picks), outermost(rows, n, code, side, -1, picks)
    if low >= high:
        return 0
    for i in range(n):
        codes[i] = code[rows[i]]
    chosen = pick(codes, n, key, g.word[j], low, high, picks, g.words[HASHES], g.words[MARKS], cell.shape[1])
    count_below(cell, codes, g.ends, picks, chosen)
    return chosen


@bare
def from_values(g: Grove, cell: Rows, n: int, j: int, key: Any) -> int:
    """Fill a feature's cuts from a histogram of the n rows gathered; return how many there are."""
    rows, touched, spare, picks, histogram = g.ints[ROWS], g.ints[TOUCHED], g.ints[SPARE], g.ints[PICKS], g.histogram
    side, last, k, chosen = g.settings[SIDE_ROWS], g.histogram.shape[1] - 1, cell.shape[1], 0
    found = count_values(rows, g.ends, g.code[j], histogram, touched)
    if g.categorical[j]:
        many = divisible(touched, found, histogram, n, side, spare)
        chosen = pick(spare, many, key, g.word[j], 0, BEYOND, picks, g.words[HASHES], g.words[MARKS], k)
        for i in range(chosen):
            for y in range(last):
                cell[BELOW + y, i] = histogram[picks[i], y]
    elif found > 1:
        low, high = outermost(rows, n, g.code[j], side, 1, picks), outermost(rows, n, g.code[j], side, -1, picks)
        chosen = pick(touched, found, key, g.word[j], low, high, picks, g.words[HASHES], g.words[MARKS], k)
        sum_below(cell, picks, chosen, touched, found, histogram, g.bins, spare, g.ints[PLACES])
    for i in range(chosen):
        cell[TIES, i] = histogram[picks[i], last]
    for i in range(found):
        for y in range(last + 1):
            histogram[touched[i], y] = 0
    return chosen


@bare
def find_cuts(g: Grove, t: int, node: int, n: int, f: int, j: int) -> int:
    """Fill the cuts of feature j, place f of the node's slot, from the n rows gathered; return how many there are.

    Many values on few rows are not worth a histogram; what is found is the same.
    """
    slot = g.nodes[t, node].slot
    cell, head, at = g.cells[t, slot, f], g.heads[t, slot, f], g.floats[t, slot, f, AT]
    key = fold(fold(g.key[t], g.nodes[t, node].path), j)
    by_row = g.distinct[j] > MANY and not g.categorical[j]
    chosen = from_rows(g, cell, n, j, key) if by_row else from_values(g, cell, n, j, key)
    for i in range(chosen):
        at[i] = g.values[j, g.ints[PICKS, i]]
    for i in range(chosen, len(at)):
        at[i] = np.nan  # neither above nor equal to anything
    head[FEATURE], head[NUMBER], head[WHOLE] = j, chosen, chosen < len(at)
    return chosen


@bare
def fill(g: Grove, t: int, node: int) -> int:
    """Fill the node's slot with the first features, in keyed order, that can be cut; return how many there are."""
    s = g.nodes[t, node].slot
    p = len(g.x)
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
    if kept < g.heads.shape[2]:
        g.heads[t, s, kept, NUMBER] = 0  # ends the list
    return kept


@bare
def tried(g: Grove, depth: int) -> Any:
    """Return how many cuts of a feature are tried at a node of some depth."""
    return 1 if depth < g.settings[RANDOM] else g.settings[CUTS]


@bare
def best_of(heads: Rows, cells: Rows, at: Floats, counts: Rows, most: int, sums: Floats, merits: npt.NDArray[np.int64]) -> Any:
    """Return feature and cut of a slot's best candidate: largest merit, then smallest feature, then smallest cut."""
    top, feature, cut = np.int64(-1), -1, np.float32(0)  # merits are the bits of ``sums``, ordered as positive numbers are
    for f in range(len(heads)):
        j, many = heads[f, FEATURE], min(heads[f, NUMBER], most)
        if many == 0:
            break
        rank(cells[f], counts, many, sums)
        here = np.int64(-1)
        for i in range(many):
            here = max(here, merits[i])
        if here > top or (here == top and j < feature):
            top, feature, cut = here, j, np.float32(np.inf)
            for i in range(many):
                if merits[i] == here:
                    cut = min(cut, at[f, AT, i])
    return feature, cut


@bare
def best(g: Grove, t: int, node: int) -> Any:
    """Return feature and cut of the node's best candidate."""
    s, most = g.nodes[t, node].slot, tried(g, g.nodes[t, node].depth)
    return best_of(g.heads[t, s], g.cells[t, s], g.floats[t, s], g.counts[t, node], most, g.sums, g.merits)
