"""Compiled: selection of the cuts of one feature at one node, and counts of the rows on either side.

Hashes pick few of many values, so branches on them cannot be predicted. Loops over rows or values therefore have no branches and run
along arrays, so that they compile to vector instructions. Indices are cast to unsigned integers, which saves the test for negative ones.
Functions take single arrays for the reason given in ``cut_kernels``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.unlearning.exact.compiled import bare
from clients.unlearning.exact.dare.cut_kernels import BEYOND
from clients.unlearning.exact.dare.grove import BELOW, TIES
from clients.unlearning.exact.hash_kernels import mix

ALL = np.uint64(2**64 - 1)
"""The largest hash."""

Rows = npt.NDArray[np.int32]
Words = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]


@bare
def margins(codes: Rows, n: int, side: int, outer: Rows) -> Any:
    """Return the ``side``-th smallest and the ``side``-th largest of the first n codes."""
    low, high = BEYOND, -BEYOND
    if side == 1:
        for i in range(n):
            low, high = min(low, codes[i]), max(high, codes[i])
        return low, high
    if n < 2 * side:
        return low, high
    smallest, largest = outer[:side], outer[side : 2 * side]
    for i in range(side):
        smallest[i], largest[i] = low, high
    for i in range(n):
        c = codes[i]
        if c < smallest[side - 1]:
            at = side - 1
            while at > 0 and smallest[at - 1] > c:
                smallest[at] = smallest[at - 1]
                at -= 1
            smallest[at] = c
        if c > largest[side - 1]:
            at = side - 1
            while at > 0 and largest[at - 1] < c:
                largest[at] = largest[at - 1]
                at -= 1
            largest[at] = c
    return smallest[side - 1], largest[side - 1]


@bare
def sift(codes: Rows, marks: Words, many: int, bound: Any, low: Any, high: Any, places: Rows, found: Rows, seen: Bytes) -> Any:
    """Write the distinct codes in ``low .. high - 1`` with hashes up to ``bound`` to ``found``, and their first positions to ``places``."""
    passed: Any = 0
    different: Any = 0  # no branch below depends on a hash
    for i in range(many):
        places[passed] = i
        passed += np.int64(marks[i] <= bound)
    for i in range(passed):
        c = codes[np.uint32(places[i])]
        fits = np.uint8((c >= low) & (c < high))
        found[different], places[different] = c, places[i]
        different += np.int64(fits > seen[c])
        seen[c] |= fits
    for i in range(different):
        seen[found[i]] = 0
    return different


@bare
def sort_few(found: Rows, hashes: Words, many: int, places: Rows, picks: Rows, k: int) -> int:
    """Write the k codes with the smallest hashes to ``picks``, in ascending order; return their number.

    Every hash is compared with every other, four at once: such loops compile to vector instructions, and no branch depends on a hash.
    """
    for i in range(many):
        places[i] = 0
    for i in range(many, many + 3):
        hashes[i] = ALL
    for i in range(0, many, 4):
        a, b, c, d = hashes[i], hashes[i + 1], hashes[i + 2], hashes[i + 3]
        for other in range(many):
            h = hashes[other]
            places[other] += np.int32(a < h) + np.int32(b < h) + np.int32(c < h) + np.int32(d < h)
    for i in range(many):
        picks[places[i]] = found[i]
    return min(many, k)


@bare
def pick(
    codes: Rows, many: int, key: Any, word: Words, low: Any, high: Any, picks: Rows, k: int, ints: Any, words: Any, seen: Bytes
) -> int:
    """Write the k distinct codes in ``low .. high - 1`` with the smallest hashes of their values to ``picks``; return their number.

    The first ``many`` codes are considered, with repetitions. Hashes above a bound are not sorted; the bound is raised if too few are
    below it. Different values have different hashes, since ``mix`` is a bijection.
    """
    places, found = ints
    hashes, marks = words
    for i in range(many):
        marks[i] = mix(key ^ word[np.uint32(codes[i])])
    wanted = k + k // 4 + 4
    bound = ALL if many <= wanted else ALL // np.uint64(many) * np.uint64(wanted)
    while True:
        different = sift(codes, marks, many, bound, low, high, places, found, seen)
        if different >= k or bound == ALL:
            break
        bound = bound * np.uint64(4) if bound < ALL // np.uint64(4) else ALL
    for i in range(different):
        hashes[i] = marks[places[i]]
    return sort_few(found, hashes, different, places, picks, k)


@bare
def count_rows(cell: Rows, codes: Rows, ends: Rows, picks: Rows, chosen: int, categorical: Any) -> None:
    """Count, for each picked cut, the rows of each class that go left, and the rows with its value, by comparing every row with every cut.

    Loops process four rows at once along the cuts, and compile to vector instructions.
    """
    ties, start = cell[TIES], 0
    for i in range(chosen):
        ties[i] = 0
    for y in range(len(ends)):
        below, end = cell[BELOW + y], ends[y]
        for i in range(chosen):
            below[i] = 0
        for k in range(start, end, 4):
            a, b = codes[k], codes[k + 1] if k + 1 < end else BEYOND
            c, d = codes[k + 2] if k + 2 < end else BEYOND, codes[k + 3] if k + 3 < end else BEYOND
            for i in range(chosen):
                p = picks[i]
                ties[i] += np.int32(a == p) + np.int32(b == p) + np.int32(c == p) + np.int32(d == p)
                below[i] += np.int32(a <= p) + np.int32(b <= p) + np.int32(c <= p) + np.int32(d <= p)
        start = end
    if categorical:
        count_equal(cell, codes, ends, picks, chosen)


@bare
def count_equal(cell: Rows, codes: Rows, ends: Rows, picks: Rows, chosen: int) -> None:
    """Count the rows of each class in each picked category."""
    start = 0
    for y in range(len(ends)):
        below = cell[BELOW + y]
        for i in range(chosen):
            below[i] = 0
            for k in range(start, ends[y]):
                below[i] += np.int32(codes[k] == picks[i])
        start = ends[y]


@bare
def count_values(rows: Rows, ends: Rows, code: Rows, histogram: Rows) -> None:
    """Add the gathered rows to a histogram by class and value."""
    start = 0
    for y in range(len(ends)):
        row = histogram[y]
        for i in range(start, ends[y]):
            row[np.uint32(code[np.uint32(rows[i])])] += 1
        start = ends[y]


@bare
def divisible(histogram: Rows, distinct: int, n: int, side: int, categorical: Any, kept: Rows) -> int:
    """Write the valid cuts among the ``distinct`` values to ``kept``; return their number."""
    many, below = 0, 0
    for c in range(distinct):
        here = 0
        for y in range(len(histogram)):
            here += histogram[y, c]
        below += here
        left = here if categorical else below
        kept[many] = c
        many += (here > 0) & (left >= side) & (n - left >= side)
    return many


@bare
def sum_values(cell: Rows, picks: Rows, chosen: int, histogram: Rows, distinct: int, categorical: Any) -> None:
    """Count as ``count_rows`` does, from a histogram, which is then cleared."""
    for i in range(chosen):
        cell[TIES, i] = 0
    for y in range(len(histogram)):
        row, below = histogram[y], cell[BELOW + y]
        for i in range(chosen):
            below[i] = row[picks[i]]
            cell[TIES, i] += row[picks[i]]
        if not categorical:
            for c in range(1, distinct):
                row[c] += row[c - 1]
            for i in range(chosen):
                below[i] = row[picks[i]]
        for c in range(distinct):
            row[c] = 0
