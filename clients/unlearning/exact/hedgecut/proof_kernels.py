"""Compiled: the order of candidate splits, and the proof that removals cannot change it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.unlearning.exact.compiled import compiled, inner

Counts = npt.NDArray[np.int32]
MARGIN = 1e-9
"""Share of the rows by which a proven gap must exceed 0: far above the rounding of merits, which are at most the number of rows."""


@inner
def merit(below: Counts, counts: Counts) -> float:
    """Return what the Gini gain ranks splits by: the sum over sides of squared class counts over rows; larger is better."""
    left, n, a, b = 0, 0, 0.0, 0.0
    for y in range(len(counts)):
        left += below[y]
        n += counts[y]
        right = counts[y] - below[y]
        a += np.float64(below[y]) * np.float64(below[y])
        b += np.float64(right) * np.float64(right)
    return a / left + b / (n - left)


@inner
def champion(below: Counts, counts: Counts, split_rows: int, side_rows: int) -> int:
    """Return the candidate with the largest merit (smallest number among equals) and enough rows on both sides; -1: be a leaf."""
    n = counts.sum()
    if n < split_rows or counts.max() == n:
        return -1
    top, found = -1.0, -1
    for m in range(len(below)):
        left = below[m].sum()
        if left >= side_rows and n - left >= side_rows:
            value = merit(below[m], counts)
            if value > top:
                top, found = value, m
    return found


@inner
def least_gap(below: Counts, rival: Counts, counts: Counts, removals: int, side_rows: int) -> float:
    """Return a lower bound on merit minus rival's merit after any ``removals`` or fewer removals that leave the rival valid.

    Both merits are convex in the removals (sums of squares over linear terms). The champion's lies above its tangent; tangent minus the
    rival's is concave, so it is least at a vertex of {removals >= 0, at most so many in all, and so many on each of the rival's sides}.
    A vertex removes one class on one of the rival's sides, then, if rows are left to remove, one class on the other.
    """
    classes = len(counts)
    gap = merit(below, counts) - merit(rival, counts)
    left, n = below.sum(), counts.sum()
    right = n - left
    squares_left, squares_right = 0.0, 0.0
    for y in range(classes):
        squares_left += np.float64(below[y]) ** 2
        squares_right += np.float64(counts[y] - below[y]) ** 2
    steepest = np.empty(classes, np.float64)  # most that the tangent loses with one row of a class, on whichever side
    for y in range(classes):
        on_left = 2.0 * below[y] / left - squares_left / left / left
        on_right = 2.0 * (counts[y] - below[y]) / right - squares_right / right / right
        steepest[y] = max(on_left, on_right)
    base = merit(below, counts)
    sides = np.empty((2, classes), np.float64)
    room = np.empty(2, np.int64)
    for y in range(classes):
        sides[0, y] = rival[y]
        sides[1, y] = counts[y] - rival[y]
    for b in range(2):
        room[b] = np.int64(sides[b].sum()) - side_rows
    for b in range(2):
        first = min(removals, room[b])
        second = min(removals - first, room[1 - b])
        for y in range(classes):
            one = _fewer(sides[b], y, first)
            loss = first * steepest[y]
            gap = min(gap, base - loss - one - _fewer(sides[1 - b], 0, 0))
            if second > 0:
                for z in range(classes):
                    gap = min(gap, base - loss - second * steepest[z] - one - _fewer(sides[1 - b], z, second))
    return gap


@inner
def _fewer(side: npt.NDArray[np.float64], y: int, removed: int) -> float:
    """Return the sum of squares over rows of a side after removing rows of class y."""
    rows, squares = -np.float64(removed), 0.0
    for c in range(len(side)):
        rows += side[c]
        kept = side[c] - removed if c == y else side[c]
        squares += kept * kept
    return squares / rows


@inner
def doubts(below: Counts, counts: Counts, found: int, removals: int, split_rows: int, side_rows: int, doubtful: Any) -> Any:
    """Mark the rivals not proven to stay behind; return whether the champion, or that there is a split at all, is in doubt."""
    doubtful[:] = 0
    if removals == 0:
        return False
    n = counts.sum()
    left = below[found].sum()
    shaky = n - removals < split_rows or n - counts.max() <= removals
    near = min(left, n - left) - removals < side_rows
    for m in range(len(below)):
        others = below[m].sum()
        valid = m != found and others >= side_rows and n - others >= side_rows
        if valid and (near or least_gap(below[found], below[m], counts, removals, side_rows) <= MARGIN * n):
            doubtful[m] = 1
            shaky = True
    return shaky or near


@compiled
def is_robust(below: Counts, counts: Counts, removals: int, split_rows: int, side_rows: int) -> Any:
    """Return the champion of candidates (M, C) at a node (C,) and whether it is proven to last that many removals."""
    found = champion(below, counts, split_rows, side_rows)
    if found < 0:
        return found, True
    return found, not doubts(below, counts, found, removals, split_rows, side_rows, np.empty(len(below), np.uint8))
