"""Compiled: the order of candidate splits, and the proof that removals cannot change it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.unlearning.exact.compiled import bare, compiled

Counts = npt.NDArray[np.int32]
Work = npt.NDArray[np.float64]
MARGIN = 1e-9
"""Share of the rows by which a proven gap must exceed 0: far above the rounding of merits, which are at most the number of rows."""


@bare
def total(counts: Counts) -> int:
    """Return the sum of a few counts."""
    n = 0
    for y in range(len(counts)):
        n += counts[y]
    return n


@bare
def merit(below: Counts, counts: Counts, n: int, side_rows: int) -> float:
    """Return what the Gini gain ranks splits of n rows by: the sum over sides of squared class counts over rows; larger is better.

    It is -1 of a split with too few rows on a side.
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
    """Write into ``sums[0]`` the merits of candidates, (C, M) rows per class that go left, -1 of one with too few rows on a side.

    Loops run along the candidates, so that they become vector instructions.
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
    """Return the first of the largest merits, given as bits (those of positive numbers are ordered as they are); -1 if all are -1."""
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
    """Write down, for each class, the most that the tangent of a split's merit loses with one row of it, on whichever side."""
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
    """Return a lower bound on a split's merit minus its rival's after any ``removals`` or fewer removals that leave the rival valid.

    Both merits are convex in the removals (sums of squares over linear terms). The split's lies above its tangent; tangent minus the
    rival's is concave, so it is least at a vertex of {removals >= 0, at most so many in all, and so many on each of the rival's sides}.
    A vertex removes one class on one of the rival's sides, then, if rows are left to remove, one class on the other. ``base`` is the
    split's merit, and ``work[2]`` its ``slopes``; the rest of ``work`` is scratch.
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
    """Return the sum of squares over rows of a side after removing rows of class y."""
    rows, squares = -np.float64(removed), 0.0
    for c in range(len(side)):
        rows += side[c]
        kept = side[c] - removed if c == y else side[c]
        squares += kept * kept
    return squares / rows


@bare
def doubts(below: Counts, counts: Counts, found: int, removals: int, split_rows: int, side_rows: int, doubtful: Any, work: Work) -> Any:
    """Mark the rivals not proven to stay behind; return whether the champion, or that there is a split at all, is in doubt."""
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
        # no removal takes more than 1 from the tangent or brings a rival more than 1
        if near or (
            base - own <= 2 * removals + MARGIN * n and least_gap(base, below[:, m], counts, removals, side_rows, work) <= MARGIN * n
        ):
            doubtful[m] = 1
            shaky = True
    return shaky or near


@compiled
def is_robust(below: Counts, counts: Counts, removals: int, split_rows: int, side_rows: int) -> Any:
    """Return the champion of candidates (C, M) at a node (C,) and whether it is proven to last that many removals."""
    classes, many = below.shape
    sums, work = np.empty((3, many)), np.empty((3, classes))
    merits(below, counts, side_rows, sums)
    found = int(np.argmax(sums[0]))
    if total(counts) < split_rows or counts.max() == total(counts) or sums[0, found] < 0:
        return -1, True
    return found, not doubts(below, counts, found, removals, split_rows, side_rows, np.empty(many, np.uint8), work)
