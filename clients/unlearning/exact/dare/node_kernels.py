"""Compiled: the candidates of one node, and the best of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.unlearning.exact.compiled import bare
from clients.unlearning.exact.dare.grove import AT, BELOW, FEATURE, HEAD, NUMBER, TIES, Grove
from clients.unlearning.exact.hash_kernels import fold, mix

FEATURES, CUTS, DEPTH, RANDOM, SPLIT_ROWS, SIDE_ROWS, LAZY = range(7)
"""Places in a grove's settings."""

TOUCHED, ROWS, LABELS, PICKS, SPARE = range(5)
"""Scratch integers."""

HASHES, RANKS, MARKS = range(3)
"""Scratch words."""

BEYOND = np.int32(2**31 - 1)
"""Larger than any code."""

MANY = 64
"""Values of a feature above which a node's rows are looked at one by one."""

Cell = npt.NDArray[np.int32]


@bare
def goes_left(categorical: Any, value: Any, cut: Any) -> Any:
    """Tell whether a value goes left: up to the cut, or, of a categorical feature, only that category."""
    return value == cut if categorical else value <= cut


@bare
def total(counts: npt.NDArray[np.int32]) -> int:
    """Return the sum of a few counts."""
    n = 0
    for y in range(len(counts)):
        n += counts[y]
    return n


@bare
def gather(g: Grove, t: int, node: int) -> int:
    """Write the node's rows and their labels, without holes, to scratch; return how many there are."""
    order, label, rows, labels = g.order[t], g.label, g.ints[ROWS], g.ints[LABELS]
    n = 0
    for i in range(g.nodes[t, node].start, g.nodes[t, node].end):
        row = order[i]
        if row >= 0 and label[row] >= 0:
            rows[n], labels[n] = row, label[row]
            n += 1
    return n


@bare
def count_values(g: Grove, n: int, j: int) -> int:
    """Count gathered rows per value in ``histogram``, by class and in the last column all; return how many values were touched."""
    code, rows, labels, histogram, touched = g.code[j], g.ints[ROWS], g.ints[LABELS], g.histogram, g.ints[TOUCHED]
    last = histogram.shape[1] - 1
    found = 0
    for i in range(n):
        c = code[rows[i]]
        before = histogram[c, last]
        touched[found] = c  # overwritten by the next one unless it is new
        found += before == 0
        histogram[c, last] = before + 1
        histogram[c, labels[i]] += 1
    return found


@bare
def outermost(g: Grove, n: int, j: int, side: int, sign: int) -> Any:
    """Return the code at which ``side`` gathered rows are reached, counted from the smallest code (sign 1) or from the largest (-1)."""
    code, rows, outer = g.code[j], g.ints[ROWS], g.ints[PICKS]
    if n < side:
        return sign * BEYOND
    if side == 1:
        edge = BEYOND
        for i in range(n):
            edge = min(edge, np.int32(sign) * code[rows[i]])
        return sign * edge
    many = 0
    for i in range(n):
        c = sign * code[rows[i]]
        if many == side and c >= outer[many - 1]:
            continue
        at = many if many < side else side - 1
        while at > 0 and outer[at - 1] > c:
            outer[at] = outer[at - 1]
            at -= 1
        outer[at] = c
        many = min(many + 1, side)
    return sign * outer[side - 1]


@bare
def enter(g: Grove, h: Any, c: int, chosen: int, k: int) -> int:
    """Let a cut into the list of the k with the smallest hashes, unless it is there or comes too late; return the list's length."""
    picks, hashes = g.ints[PICKS], g.words[HASHES]
    at = chosen
    while at > 0 and (hashes[at - 1] > h or (hashes[at - 1] == h and picks[at - 1] > c)):
        at -= 1
    if at == k or (at > 0 and picks[at - 1] == c):
        return chosen
    chosen = min(chosen + 1, k)
    for i in range(chosen - 1, at, -1):
        hashes[i], picks[i] = hashes[i - 1], picks[i - 1]
    hashes[at], picks[at] = h, c
    return chosen


@bare
def pick(g: Grove, j: int, key: Any, many: int, n: int, k: int) -> int:
    """Pick the k valid cuts with the smallest hashes of their values, list them by code, and return how many there are.

    The first ``many`` touched codes are looked at, repeated or not; the n rows gathered say what is valid.
    """
    hashes, side, last = g.words[HASHES], g.settings[SIDE_ROWS], g.histogram.shape[1] - 1
    low, high = 0, 0
    if not g.categorical[j]:
        low, high = outermost(g, n, j, side, 1), outermost(g, n, j, side, -1)
    touched, marks, word = g.ints[TOUCHED], g.words[MARKS], g.word[j]
    for i in range(many):
        marks[i] = mix(key ^ word[touched[i]])
    chosen, worst = 0, np.uint64(0xFFFFFFFFFFFFFFFF)
    for i in range(many):
        if marks[i] > worst:
            continue
        c = touched[i]
        if g.categorical[j]:
            if g.histogram[c, last] < side or n - g.histogram[c, last] < side:
                continue
        elif c < low or c >= high:
            continue
        chosen = enter(g, marks[i], c, chosen, k)
        if chosen == k:
            worst = hashes[k - 1]
    arrange(g.ints[PICKS], g.ints[SPARE], chosen)
    return chosen


@bare
def arrange(picks: npt.NDArray[np.int32], spare: npt.NDArray[np.int32], many: int) -> None:
    """Sort a few different codes: each goes to the place that is the number of smaller ones."""
    for i in range(many):
        spare[i] = picks[i]
    for i in range(many):
        c, smaller = spare[i], 0
        for k in range(many):
            smaller += spare[k] < c
        picks[smaller] = c


@bare
def sum_below(g: Grove, cell: Cell, j: int, found: int, chosen: int) -> None:
    """Write how many rows of each class go left at each picked cut, and how many lie on it, from the histogram."""
    picks, histogram, touched, bins, classes = g.ints[PICKS], g.histogram, g.ints[TOUCHED], g.bins, g.bins.shape[1]
    for i in range(chosen):
        cell[TIES, i] = histogram[picks[i], classes]
        for y in range(classes):
            bins[i, y] = 0
    if g.categorical[j]:
        for i in range(chosen):
            for y in range(classes):
                cell[BELOW + y, i] = histogram[picks[i], y]
        return
    half = 1
    while half <= chosen:
        half *= 2
    for i in range(chosen, half):
        picks[i] = BEYOND
    for i in range(found):
        c, low, step = touched[i], 0, half // 2
        while step > 0:  # the first pick not below c, without a branch that depends on c
            low += step * (picks[low + step - 1] < c)
            step //= 2
        for y in range(classes):
            bins[low, y] += histogram[c, y]
    for y in range(classes):
        sofar = 0
        for i in range(chosen):
            sofar += bins[i, y]
            cell[BELOW + y, i] = sofar


@bare
def count_below(g: Grove, cell: Cell, n: int, chosen: int) -> None:
    """Write how many rows of each class go left at each picked cut, and how many lie on it, row by row."""
    picks, labels, codes, ties, wide = g.ints[PICKS], g.ints[LABELS], g.ints[TOUCHED], cell[TIES], cell.shape[1]
    for i in range(chosen, wide):
        picks[i] = -1
    for y in range(cell.shape[0] - BELOW):
        row = cell[BELOW + y]
        for i in range(wide):
            row[i] = 0
    for i in range(wide):
        ties[i] = 0
    for k in range(n):
        c, row = codes[k], cell[BELOW + labels[k]]
        for i in range(wide):
            row[i] += np.int32(c <= picks[i])
            ties[i] += np.int32(c == picks[i])


@bare
def find_cuts(g: Grove, t: int, node: int, n: int, f: int, j: int) -> int:
    """Fill the candidates of feature j, place f of the node's slot, from the n rows gathered; return how many there are.

    Many values on few rows are not worth a histogram; what is found is the same.
    """
    cell = g.cells[t, g.nodes[t, node].slot, f]
    k = 1 if g.nodes[t, node].depth < g.settings[RANDOM] else g.settings[CUTS]
    key = fold(fold(g.key[t], g.nodes[t, node].path), j)
    chosen = 0
    if g.distinct[j] > MANY and not g.categorical[j]:
        code, rows, codes = g.code[j], g.ints[ROWS], g.ints[TOUCHED]
        for i in range(n):
            codes[i] = code[rows[i]]
        chosen = pick(g, j, key, n, n, k)
        if chosen:
            count_below(g, cell, n, chosen)
    else:
        found = count_values(g, n, j)
        if found > 1:
            chosen = pick(g, j, key, found, n, k)
            sum_below(g, cell, j, found, chosen)
        for i in range(found):
            c = g.ints[TOUCHED, i]
            for y in range(g.histogram.shape[1]):
                g.histogram[c, y] = 0
    at = g.floats[t, g.nodes[t, node].slot, f, AT]
    for i in range(chosen):
        at[i] = g.values[j, g.ints[PICKS, i]]
    cell[HEAD, FEATURE], cell[HEAD, NUMBER] = j, chosen
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
    if kept < g.cells.shape[2]:
        g.cells[t, s, kept, HEAD, NUMBER] = 0  # ends the list
    return kept


@bare
def rank(cell: Cell, counts: npt.NDArray[np.int32], many: int, sums: npt.NDArray[np.float64]) -> None:
    """Write into ``sums[0]`` what the Gini index ranks a feature's cuts by: squared class counts over rows, summed over sides.

    Loops run along the candidates, so that they become vector instructions.
    """
    n = np.float64(total(counts))
    value, other, left = sums[0], sums[1], sums[2]
    for i in range(many):
        value[i], other[i], left[i] = 0.0, 0.0, 0.0
    for y in range(len(counts)):
        row, here = cell[BELOW + y], counts[y]
        for i in range(many):
            a, b = np.float64(row[i]), np.float64(here - row[i])
            left[i] += a
            value[i] += a * a
            other[i] += b * b
    for i in range(many):
        value[i] = value[i] / left[i] + other[i] / (n - left[i])


@bare
def best(g: Grove, t: int, node: int) -> Any:
    """Return feature and cut of the node's best candidate: largest merit, then smallest feature, then smallest cut."""
    s = g.nodes[t, node].slot
    value = g.merits  # the bits of positive numbers are ordered as the numbers are
    top, feature, cut = np.int64(-1), -1, np.float32(0)
    for f in range(g.cells.shape[2]):
        cell = g.cells[t, s, f]
        j, many = cell[HEAD, FEATURE], cell[HEAD, NUMBER]
        if many == 0:
            break
        rank(cell, g.counts[t, node], many, g.sums)
        here = np.int64(-1)
        for i in range(many):
            here = max(here, value[i])
        if here > top or (here == top and j < feature):
            first = 0
            while value[first] != here:
                first += 1
            top, feature, cut = here, j, g.floats[t, s, f, AT, first]
    return feature, cut
