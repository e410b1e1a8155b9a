"""Compiled: the cuts of one feature at one node.

These run at every node that a row passes, so they are handed single arrays: a whole grove is some two kilobytes, copied at each call.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.unlearning.exact.compiled import bare
from clients.unlearning.exact.dare.grove import AT, BELOW, FEATURE, NUMBER, TIES
from clients.unlearning.exact.hash_kernels import mix

BEYOND = np.int32(2**31 - 1)
"""Larger than any code."""

Rows = npt.NDArray[np.int32]
Floats = npt.NDArray[Any]
Words = npt.NDArray[np.uint64]


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
def count_values(rows: Rows, ends: Rows, code: Rows, histogram: Rows, touched: Rows) -> int:
    """Count gathered rows per value in ``histogram``, by class and in the last column all; return how many values were touched."""
    last = histogram.shape[1] - 1
    found, i = 0, 0
    for y in range(len(ends)):
        while i < ends[y]:
            c = code[rows[i]]
            before = histogram[c, last]
            touched[found] = c  # overwritten by the next one unless it is new
            found += before == 0
            histogram[c, last] = before + 1
            histogram[c, y] += 1
            i += 1
    return found


@bare
def outermost(rows: Rows, n: int, code: Rows, side: int, sign: int, outer: Rows) -> Any:
    """Return the code at which ``side`` gathered rows are reached, counted from the smallest code (sign 1) or from the largest (-1)."""
    if n < side:
        return sign * BEYOND
    if side == 1:
        edge = BEYOND
        for i in range(n):
            edge = min(edge, np.int32(np.int32(sign) * code[rows[i]]))
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
def enter(picks: Rows, hashes: Words, h: Any, c: int, chosen: int, k: int) -> int:
    """Let a cut into the list of the k with the smallest hashes, unless it is there or comes too late; return the list's length."""
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
def pick(touched: Rows, many: int, key: Any, word: Words, low: Any, high: Any, picks: Rows, hashes: Words, marks: Words, k: int) -> int:
    """List the k cuts from ``low`` to below ``high`` with the smallest hashes of their values, smallest first; return how many there are.

    The first ``many`` touched codes are looked at, repeated or not.
    """
    for i in range(many):
        marks[i] = mix(key ^ word[touched[i]])
    chosen, worst = 0, np.uint64(0xFFFFFFFFFFFFFFFF)
    for i in range(many):
        if marks[i] > worst or touched[i] < low or touched[i] >= high:
            continue
        chosen = enter(picks, hashes, marks[i], touched[i], chosen, k)
        if chosen == k:
            worst = hashes[k - 1]
    return chosen


@bare
def divisible(touched: Rows, found: int, histogram: Rows, n: int, side: int, kept: Rows) -> int:
    """List those touched categories that can be set against the rest; return how many they are."""
    many, last = 0, histogram.shape[1] - 1
    for i in range(found):
        here = histogram[touched[i], last]
        if here >= side and n - here >= side:
            kept[many] = touched[i]
            many += 1
    return many


@bare
def arrange(picks: Rows, ascending: Rows, places: Rows, many: int) -> None:
    """Sort a few different codes, and tell the place of each: the number of smaller ones."""
    for i in range(many):
        c, smaller = picks[i], 0
        for k in range(many):
            smaller += picks[k] < c
        ascending[smaller], places[i] = c, smaller


@bare
def sum_below(
    cell: Rows, picks: Rows, chosen: int, touched: Rows, found: int, histogram: Rows, bins: Rows, ascending: Rows, places: Rows
) -> None:
    """Write how many rows of each class go left at each picked cut, from the histogram."""
    classes = bins.shape[1]
    arrange(picks, ascending, places, chosen)
    half = 1
    while half <= chosen:
        half *= 2
    for i in range(chosen, half):
        ascending[i] = BEYOND
    for i in range(chosen):
        for y in range(classes):
            bins[i, y] = 0
    for i in range(found):
        c, low, step = touched[i], 0, half // 2
        while step > 0:  # the first pick not below c, without a branch that depends on c
            low += step * (ascending[low + step - 1] < c)
            step //= 2
        for y in range(classes):
            bins[low, y] += histogram[c, y]
    for y in range(classes):
        for i in range(1, chosen):
            bins[i, y] += bins[i - 1, y]
        for i in range(chosen):
            cell[BELOW + y, i] = bins[places[i], y]


@bare
def up_to(codes: Rows, cut: Any) -> Any:
    """Return how many codes are at most ``cut``, and how many equal it."""
    below, ties = np.int32(0), np.int32(0)
    for k in range(len(codes)):
        below += np.int32(codes[k] <= cut)
        ties += np.int32(codes[k] == cut)
    return below, ties


@bare
def count_below(cell: Rows, codes: Rows, ends: Rows, picks: Rows, chosen: int) -> None:
    """Write how many rows of each class go left at each picked cut, and how many lie on it.

    Cut by cut, along the rows of one class: such loops become vector instructions.
    """
    for i in range(chosen):
        ties, start = 0, 0
        for y in range(len(ends)):
            below, equal = up_to(codes[start : ends[y]], picks[i])
            cell[BELOW + y, i] = below
            ties += equal
            start = ends[y]
        cell[TIES, i] = ties


@bare
def rank(cell: Rows, counts: npt.NDArray[np.int32], many: int, sums: npt.NDArray[np.float64]) -> None:
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
def lower(cell: Rows, at: Floats, many: int, categorical: Any, x: Floats, gone: Rows, left: Rows, n: Any, side: Any) -> Any:
    """Take rows out of a feature's cuts; tell whether some of the ``many`` can no longer be cut at."""
    ties = cell[TIES]
    for k in range(gone.shape[1]):
        v, row = x[gone[0, k]], cell[BELOW + gone[1, k]]
        if categorical:
            for i in range(len(at)):
                row[i] -= np.int32(v == at[i])
        else:
            for i in range(len(at)):
                row[i] -= np.int32(v <= at[i])
        for i in range(len(at)):
            ties[i] -= np.int32(v == at[i])
    first, second = cell[BELOW], cell[BELOW + 1]
    for i in range(len(at)):
        left[i] = first[i] + second[i]
    for y in range(BELOW + 2, len(cell)):
        row = cell[y]
        for i in range(len(at)):
            left[i] += row[i]
    least = BEYOND
    for i in range(many):
        least = min(least, ties[i])
        least = min(least, np.int32(left[i] - side + np.int32(1)))
        least = min(least, np.int32(n - left[i] - side + np.int32(1)))
    return least <= 0


@bare
def drop(cell: Rows, at: Floats, many: int, left: Rows, n: Any, side: Any) -> int:
    """Close the ranks of a feature's cuts over those that can no longer be cut at; return how many are kept."""
    kept = 0
    for i in range(many):
        if cell[TIES, i] > 0 and left[i] >= side and n - left[i] >= side:
            for row in range(len(cell)):
                cell[row, kept] = cell[row, i]
            kept += 1
    for i in range(kept, many):
        at[i] = np.nan
    return kept


@bare
def lower_all(
    heads: Rows, cells: Rows, floats: Floats, categorical: Rows, x: Floats, gone: Rows, left: Rows, n: Any, side: Any, most: int
) -> Any:
    """Take rows out of all candidates of a split; return how many features are tried, and whether some now have too few cuts."""
    features, short = 0, False
    while features < len(heads) and heads[features, NUMBER]:
        j, many, at = heads[features, FEATURE], heads[features, NUMBER], floats[features, AT]
        if lower(cells[features], at, many, categorical[j], x[j], gone, left, n, side):
            heads[features, NUMBER] = drop(cells[features], at, many, left, n, side)
            short |= heads[features, NUMBER] < most
        features += 1
    return features, short
