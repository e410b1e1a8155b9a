"""Compiled: merits of the cuts listed at one node, and removal of rows from their counts.

These functions run at every node on a row's path. They take single arrays, because a whole grove, about two kilobytes, would be copied at
each call.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.unlearning.exact.compiled import bare
from clients.unlearning.exact.dare.grove import AT, BELOW, FEATURE, NUMBER, TIES

BEYOND = np.int32(2**31 - 1)
"""Larger than any code."""

WIDTH = 16
"""Number of list entries that are processed at once."""

Rows = npt.NDArray[np.int32]
Floats = npt.NDArray[Any]


@bare
def goes_left(categorical: Any, value: Any, cut: Any) -> Any:
    """Return whether a value goes left: one up to the cut, or, for a categorical feature, the category itself."""
    return value == cut if categorical else value <= cut


@bare
def partition(categorical: Any, values: Floats, cut: Any, rows: Rows, low: Any, high: Any) -> Any:
    """Move those of the rows ``low .. high - 1`` (2, n) that go left to the front, in place; return the index after them.

    ``values`` (n,) is the feature of all rows, by number.
    """
    middle = low
    for i in range(low, high):
        if goes_left(categorical, values[rows[0, i]], cut):
            for k in range(2):
                rows[k, i], rows[k, middle] = rows[k, middle], rows[k, i]
            middle += 1
    return middle


@bare
def total(counts: npt.NDArray[np.int32]) -> int:
    """Return the sum of a few counts."""
    n = 0
    for y in range(len(counts)):
        n += counts[y]
    return n


@bare
def lanes(at: Floats, many: Any) -> Any:
    """Return how many list entries to process for the first ``many``: a multiple of the vector width, without the unused rest."""
    return min(len(at), (many + WIDTH - 1) // WIDTH * WIDTH)


@bare
def rank(cell: Rows, counts: Rows, many: Any, wide: int, left: Rows, sums: Floats) -> Any:
    """Write the merits of a feature's cuts to ``sums[0]``: sums over sides of squared class counts over rows (the order of Gini).

    Loops over ``wide`` entries compile to vector instructions. Return the smallest side of the first ``many`` cuts, in rows.
    """
    n, value, other = np.int32(total(counts)), sums[0], sums[1]
    first, second, here, there = cell[BELOW], cell[BELOW + 1], counts[0], counts[1]
    for i in range(wide):
        left[i] = first[i] + second[i]
        a, b, c, d = np.float64(first[i]), np.float64(second[i]), np.float64(here - first[i]), np.float64(there - second[i])
        value[i] = a * a + b * b
        other[i] = c * c + d * d
    for y in range(2, len(counts)):
        row, here = cell[BELOW + y], counts[y]
        for i in range(wide):
            left[i] += row[i]
            a, b = np.float64(row[i]), np.float64(here - row[i])
            value[i] += a * a
            other[i] += b * b
    least = BEYOND
    for i in range(wide):
        value[i] = value[i] / np.float64(left[i]) + other[i] / np.float64(n - left[i])
        least = min(least, min(left[i], n - left[i]) if i < many else BEYOND)
    return least


@bare
def lower(cell: Rows, at: Floats, many: Any, wide: int, categorical: Any, value: Any, y: Any) -> bool:
    """Remove a row of this value and class from a feature's counts; return whether it was the last with the value of a cut."""
    row, ties, equal = cell[BELOW + y], cell[TIES], np.int32(0)
    if categorical:
        for i in range(wide):
            row[i] -= np.int32(value == at[i])
            equal += np.int32(value == at[i])
    else:
        for i in range(wide):
            row[i] -= np.int32(value <= at[i])
            equal += np.int32(value == at[i])
    gone = False
    if equal:
        for i in range(many):
            ties[i] -= np.int32(value == at[i])
            gone |= ties[i] == 0
    return gone


@bare
def lower_all(heads: Rows, cells: Rows, floats: Floats, categorical: Rows, x: Floats, gone: Rows) -> bool:
    """Remove rows (2, n) from all counts of a split; return whether the value of a cut has vanished."""
    vanished = False
    for f in range(len(heads)):
        j, many, at = heads[f, FEATURE], heads[f, NUMBER], floats[f, AT]
        if many == 0:
            break
        wide = lanes(at, many)
        for k in range(gone.shape[1]):
            vanished |= lower(cells[f], at, many, wide, categorical[j], x[gone[0, k], j], gone[1, k])
    return vanished


@bare
def drop(cell: Rows, at: Floats, many: int, n: Any, side: Any) -> int:
    """Remove a feature's invalid cuts from the list; return the number of the others."""
    kept = 0
    for i in range(many):
        left = total(cell[BELOW:, i])
        if cell[TIES, i] > 0 and left >= side and n - left >= side:
            for row in range(len(cell)):
                cell[row, kept] = cell[row, i]
            kept += 1
    for i in range(kept, many):
        for row in range(len(cell)):
            cell[row, i] = 0
        at[i] = np.nan
    return kept


@bare
def drop_all(heads: Rows, cells: Rows, floats: Floats, n: Any, side: Any, most: int) -> Any:
    """Remove invalid cuts; return the number of tried features, and whether one has fewer than ``most`` cuts."""
    features, short = 0, False
    while features < len(heads) and heads[features, NUMBER]:
        heads[features, NUMBER] = drop(cells[features], floats[features, AT], heads[features, NUMBER], n, side)
        short |= heads[features, NUMBER] < most
        features += 1
    return features, short


@bare
def best_of(heads: Rows, cells: Rows, at: Floats, counts: Rows, most: int, left: Rows, sums: Floats, merits: npt.NDArray[np.int64]) -> Any:
    """Return feature and cut of a slot's best candidate (largest merit, then smallest feature, then smallest cut).

    The third result is the smallest side of any listed cut, in rows.
    """
    top, feature, cut = np.int64(-1), -1, np.float32(0)  # merits are bits of positive floats, whose order as integers is the same
    least = BEYOND
    for f in range(len(heads)):
        j, many = heads[f, FEATURE], heads[f, NUMBER]
        if many == 0:
            break
        wide = lanes(at[f, AT], many)
        least = min(least, rank(cells[f], counts, many, wide, left, sums))
        here, many = np.int64(-1), min(many, most)
        for i in range(wide):
            here = max(here, merits[i] if i < many else np.int64(-1))
        if here > top or (here == top and j < feature):
            top, feature, cut = here, j, np.float32(np.inf)
            for i in range(many):
                if merits[i] == here:
                    cut = min(cut, at[f, AT, i])
    return feature, cut, least
