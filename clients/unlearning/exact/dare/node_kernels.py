"""Compiled: the candidates of one node, and the best of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.unlearning.exact.compiled import inner
from clients.unlearning.exact.dare.grove import Grove
from clients.unlearning.exact.hash_kernels import fold, mix

FEATURES, CUTS, DEPTH, RANDOM, SPLIT_ROWS, SIDE_ROWS, LAZY = range(7)
"""Places in a grove's settings."""

TOUCHED, SPARE, PICKS = range(3)
"""Scratch integers."""

HASHES, RANKS = range(2)
"""Scratch words."""


@inner
def goes_left(categorical: Any, value: Any, cut: Any) -> Any:
    """Tell whether a value goes left: up to the cut, or, of a categorical feature, only that category."""
    return value == cut if categorical else value <= cut


@inner
def count_values(g: Grove, t: int, start: int, end: int, j: int) -> Any:
    """Count rows per value in ``histogram``, by class and in the last column all; return how many values were touched, and rows."""
    order, code, label, histogram, touched = g.order[t], g.code[j], g.label, g.histogram, g.ints[TOUCHED]
    last = histogram.shape[1] - 1
    found, rows = 0, 0
    for i in range(start, end):
        row = order[i]
        if row >= 0 and label[row] >= 0:
            c = code[row]
            if histogram[c, last] == 0:
                touched[found] = c
                found += 1
            histogram[c, last] += 1
            histogram[c, label[row]] += 1
            rows += 1
    return found, rows


@inner
def valid_range(g: Grove, found: int, rows: int, side: int) -> Any:
    """Return first and last (exclusive) code at which a numeric feature can be cut with ``side`` rows left and right."""
    touched, total = g.ints[TOUCHED], g.histogram.shape[1] - 1
    if side == 1:
        first, last = touched[0], touched[0]
        for i in range(1, found):
            first, last = min(first, touched[i]), max(last, touched[i])
        return first, last
    codes = np.sort(touched[:found])
    first, last = codes[found - 1] + 1, 0
    below = 0
    for c in codes:
        below += g.histogram[c, total]
        if below >= side and first > c:
            first = c
        if rows - below >= side:
            last = c + 1
    return first, last


@inner
def pick(g: Grove, j: int, key: int, found: int, rows: int, k: int, side: int) -> int:
    """Pick the k valid cuts with the smallest hashes of their values, list them by code, and return how many there are."""
    first, last = valid_range(g, found, rows, side)
    picks, hashes, values, total = g.ints[PICKS], g.words[HASHES], g.values[j], g.histogram.shape[1] - 1
    chosen = 0
    for i in range(found):
        c = g.ints[TOUCHED, i]
        if g.categorical[j]:
            if g.histogram[c, total] < side or rows - g.histogram[c, total] < side:
                continue
        elif c < first or c >= last:
            continue
        h = mix(key ^ values[c].word)
        if chosen == k and (h > hashes[k - 1] or (h == hashes[k - 1] and c > picks[k - 1])):
            continue
        at = chosen if chosen < k else k - 1
        while at > 0 and (hashes[at - 1] > h or (hashes[at - 1] == h and picks[at - 1] > c)):
            hashes[at], picks[at] = hashes[at - 1], picks[at - 1]
            at -= 1
        hashes[at], picks[at] = h, c
        chosen = min(chosen + 1, k)
    picks[:chosen] = np.sort(picks[:chosen])
    return chosen


@inner
def count_below(g: Grove, t: int, s: int, f: int, j: int, found: int, chosen: int) -> None:
    """Write the picked cuts and how many rows of each class go left at each."""
    below, at, ties, picks, histogram = g.below[t, s, f], g.at[t, s, f], g.ties[t, s, f], g.ints[PICKS], g.histogram
    classes = len(below)
    below[:, :chosen] = 0
    for i in range(found):
        c = g.ints[TOUCHED, i]
        low, high = 0, chosen  # the first pick not below c
        while low < high:
            middle = (low + high) // 2
            if picks[middle] < c:
                low = middle + 1
            else:
                high = middle
        if low < chosen and (not g.categorical[j] or picks[low] == c):
            for y in range(classes):
                below[y, low] += histogram[c, y]
    for i in range(chosen):
        at[i] = g.values[j, picks[i]].value
        ties[i] = histogram[picks[i], classes]
        if i > 0 and not g.categorical[j]:
            for y in range(classes):
                below[y, i] += below[y, i - 1]


@inner
def find_cuts(g: Grove, t: int, node: int, s: int, f: int, j: int) -> int:
    """Fill the candidates of feature j in slot s, place f, from the node's rows; return how many there are."""
    found, rows = count_values(g, t, g.nodes[t, node].start, g.nodes[t, node].end, j)
    chosen = 0
    if found > 1:
        k = 1 if g.nodes[t, node].depth < g.settings[RANDOM] else g.settings[CUTS]
        key = fold(fold(g.key[t], g.nodes[t, node].path), j)
        chosen = pick(g, j, key, found, rows, k, g.settings[SIDE_ROWS])
        count_below(g, t, s, f, j, found, chosen)
    for i in range(found):
        c = g.ints[TOUCHED, i]
        g.histogram[c] = 0
    g.tries[t, s, f].feature, g.tries[t, s, f].many = j, chosen
    return chosen


@inner
def fill(g: Grove, t: int, node: int) -> int:
    """Fill the node's slot with the first features, in keyed order, that can be cut; return how many there are."""
    s = g.nodes[t, node].slot
    p = len(g.x)
    limit = 1 if g.nodes[t, node].depth < g.settings[RANDOM] else g.settings[FEATURES]
    key = fold(g.key[t], g.nodes[t, node].path)
    for j in range(p):
        g.words[RANKS, j] = mix(fold(key, j))
    kept = 0
    for _ in range(p):
        j = int(np.argmin(g.words[RANKS, :p]))
        if find_cuts(g, t, node, s, kept, j):
            kept += 1
            if kept == limit:
                break
        g.words[RANKS, j] = np.uint64(0xFFFFFFFFFFFFFFFF)
    if kept < g.tries.shape[2]:
        g.tries[t, s, kept].many = 0  # ends the list
    return kept


@inner
def rank(below: npt.NDArray[np.int32], counts: npt.NDArray[np.int32], many: int, sums: npt.NDArray[np.float64]) -> None:
    """Write into ``sums[0]`` what the Gini index ranks a feature's cuts by: squared class counts over rows, summed over sides.

    Loops run along the candidates, so that they become vector instructions.
    """
    n = np.float64(counts.sum())
    value, other, left = sums[0], sums[1], sums[2]
    for i in range(many):
        value[i], other[i], left[i] = 0.0, 0.0, 0.0
    for y in range(len(counts)):
        row, total = below[y], counts[y]
        for i in range(many):
            a, b = np.float64(row[i]), np.float64(total - row[i])
            left[i] += a
            value[i] += a * a
            other[i] += b * b
    for i in range(many):
        value[i] = value[i] / left[i] + other[i] / (n - left[i])


@inner
def best(g: Grove, t: int, node: int) -> Any:
    """Return feature and cut of the node's best candidate: largest merit, then smallest feature, then smallest cut."""
    s = g.nodes[t, node].slot
    value = g.sums[0]
    top, feature, cut = -1.0, -1, np.float32(0)
    for f in range(g.tries.shape[2]):
        j, many = g.tries[t, s, f].feature, g.tries[t, s, f].many
        if many == 0:
            break
        rank(g.below[t, s, f], g.counts[t, node], many, g.sums)
        first = 0
        for i in range(1, many):
            if value[i] > value[first]:
                first = i
        if value[first] > top or (value[first] == top and j < feature):
            top, feature, cut = value[first], j, g.at[t, s, f, first]
    return feature, cut
