"""Compiled: the order of candidate splits, and the proof that a number of removals cannot change the best one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.unlearning.exact.compiled import bare, compiled

Counts = npt.NDArray[np.int32]
Work = npt.NDArray[np.float64]
MARGIN = 1e-9
"""Share of the rows by which a proven gap must exceed 0; it is much larger than the rounding errors of merits."""


@bare
def total(counts: Counts) -> int:
    """Return the sum of a few counts."""
    n = 0
    for y in range(len(counts)):
        n += counts[y]
    return n


@bare
def merit(below: Counts, counts: Counts, n: int, side_rows: int) -> float:
    """Return the merit of a split of n rows, the sum over sides of squared class counts over rows, which orders splits as the Gini gain.

    It is -1 for a split with too few rows on a side.
    """
    left, a, b = 0, 0.0, 0.0
    for y in range(len(counts)):
        right = counts[y] - below[y]
        left += below[y]
        a += np.float64(below[y]) * np.float64(below[y])
        b += np.float64(right) * np.float64(right)
    return a / left + b / (n - left) if left >= side_rows and n - left >= side_rows else -1.0


@bare
def merits(below: Counts, counts: Counts, side_rows: int, sums: npt.NDArray[np.float64]) -> None:
    """Write the merits of candidates to ``sums[0]``, given the rows per class that go left, (C, M); -1 with too few rows on a side.

    Loops run along the candidates, and compile to vector instructions.
    """
    n = total(counts)
    value, other, left = sums[0], sums[1], sums[2]
    for m in range(below.shape[1]):
        value[m], other[m], left[m] = 0.0, 0.0, 0.0
    for y in range(len(counts)):
        own, here = below[y], counts[y]
        for m in range(below.shape[1]):
            a, b = np.float64(own[m]), np.float64(here - own[m])
            left[m] += a
            value[m] += a * a
            other[m] += b * b
    for m in range(below.shape[1]):
        enough = (left[m] >= side_rows) & (n - left[m] >= side_rows)
        value[m] = value[m] / left[m] + other[m] / (n - left[m]) if enough else -1.0


@bare
def leader(bits: npt.NDArray[np.int64]) -> int:
    """Return the index of the first largest merit, -1 if all are -1; merits are given as bits, whose order is that of positive floats."""
    top = np.int64(-1)
    for m in range(len(bits)):
        top = max(top, bits[m])
    if top < 0:
        return -1
    found = 0
    while bits[found] != top:
        found += 1
    return found


@bare
def slopes(below: Counts, counts: Counts, steepest: npt.NDArray[np.float64]) -> None:
    """Write, for each class, the largest decrease of the tangent of a split's merit by one removal, on either side."""
    left, right, squares_left, squares_right = 0, 0, 0.0, 0.0
    for y in range(len(counts)):
        left += below[y]
        right += counts[y] - below[y]
        squares_left += np.float64(below[y]) ** 2
        squares_right += np.float64(counts[y] - below[y]) ** 2
    for y in range(len(counts)):
        on_left = 2.0 * below[y] / left - squares_left / left / left
        on_right = 2.0 * (counts[y] - below[y]) / right - squares_right / right / right
        steepest[y] = max(on_left, on_right)


@bare
def least_gap(base: float, rival: Counts, counts: Counts, removals: int, side_rows: int, work: Work) -> float:
    """Return a lower bound on a split's merit minus its rival's, after up to ``removals`` removals that leave the rival valid.

    Both merits are convex in the removals (squares over linear terms). The split's merit is at least its tangent, and the tangent minus
    the rival's merit is concave, so that it is smallest at a vertex of the polytope of removals: nonnegative, bounded in total and on each
    of the rival's sides. At a vertex, all removals on a side of the rival are of one class. ``base`` is the split's merit, ``work[2]`` has
    its ``slopes``, and the rest of ``work`` is scratch.
    """
    classes, n = len(counts), total(counts)
    steepest = work[2]
    for y in range(classes):
        work[0, y], work[1, y] = rival[y], counts[y] - rival[y]
    on_rivals_left = total(rival)
    gap = base - _fewer(work[0], 0, 0) - _fewer(work[1], 0, 0)
    for b in range(2):
        here = on_rivals_left if b == 0 else n - on_rivals_left
        first = min(removals, here - side_rows)
        second = min(removals - first, n - here - side_rows)
        other = _fewer(work[1 - b], 0, 0)
        for y in range(classes):
            one = base - first * steepest[y] - _fewer(work[b], y, first)
            gap = min(gap, one - other)
            if second > 0:
                for z in range(classes):
                    gap = min(gap, one - second * steepest[z] - _fewer(work[1 - b], z, second))
    return gap


@bare
def _fewer(side: npt.NDArray[np.float64], y: int, removed: int) -> float:
    """Return a side's sum of squared class counts over its rows, after ``removed`` removals of class y."""
    rows, squares = -np.float64(removed), 0.0
    for c in range(len(side)):
        rows += side[c]
        kept = side[c] - removed if c == y else side[c]
        squares += kept * kept
    return squares / rows


@bare
def doubts(below: Counts, counts: Counts, found: int, removals: int, split_rows: int, side_rows: int, doubtful: Any, work: Work) -> Any:
    """Mark the candidates not proven to stay behind the champion; return whether there are any, or the split itself may become invalid."""
    for m in range(len(doubtful)):
        doubtful[m] = 0
    if removals == 0:
        return False
    n = total(counts)
    left, most = total(below[:, found]), 0
    for y in range(len(counts)):
        most = max(most, counts[y])
    shaky = n - removals < split_rows or n - most <= removals
    near = min(left, n - left) - removals < side_rows
    base = merit(below[:, found], counts, n, side_rows)
    slopes(below[:, found], counts, work[2])
    for m in range(below.shape[1]):
        own = merit(below[:, m], counts, n, side_rows)
        if m == found or own < 0:
            continue
        # one removal changes the tangent, and a rival's merit, by at most 1
        if near or (
            base - own <= 2 * removals + MARGIN * n and least_gap(base, below[:, m], counts, removals, side_rows, work) <= MARGIN * n
        ):
            doubtful[m] = 1
            shaky = True
    return shaky or near


@compiled
def is_robust(below: Counts, counts: Counts, removals: int, split_rows: int, side_rows: int) -> Any:
    """Return the champion of candidates (C, M) at a node (C,), and whether that many removals are proven not to change it."""
    classes, many = below.shape
    sums, work = np.empty((3, many)), np.empty((3, classes))
    merits(below, counts, side_rows, sums)
    found = int(np.argmax(sums[0]))
    if total(counts) < split_rows or counts.max() == total(counts) or sums[0, found] < 0:
        return -1, True
    return found, not doubts(below, counts, found, removals, split_rows, side_rows, np.empty(many, np.uint8), work)
