"""The arrays of a forest.

All trees share the arrays, whose first index is the tree. A node is an index of the node arrays; its rows are a slice of the tree's
``order``, in which forgotten rows are replaced by -1 until the slice is partitioned again. The model depends neither on the index of a node
nor on the order of rows within a slice. Freed entries and used scratch arrays are overwritten with zeros, so that they reveal no cuts,
counts or codes of forgotten rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
LEAF, SPLIT, PENDING = 1, 2, 3
"""Kinds of a node; a pending one has rows, but has not been examined yet."""


NODE = np.dtype(
    {
        "names": ["path", "kind", "feature", "cut", "left", "depth", "start", "end", "slot"],
        "formats": [np.uint64, np.int32, np.int32, np.float32, np.int32, np.int32, np.int32, np.int32, np.int32],
    },
    align=True,
)
"""A node: its path (1 at the root, then one bit per level), its kind, its split, its left child (the right one has the next index), its
depth, the slice of its rows, and, for a split, the slot of its candidates."""

AT, TIES, BELOW = range(3)
"""Rows of a cell, which holds the candidate cuts of a feature tried at a split, in the order of their hashes: the cuts (float32), the
number of rows with the cut's value, and then, for each class, the number of rows that go left. The first k are tried; the others replace
those that become invalid, without another count of rows."""

FEATURE, NUMBER, WHOLE = range(3)
"""Columns of a cell's head: the feature, the number of listed cuts (0 ends a slot's list), and whether the node has no others."""

SPARES = 4
"""Minimum number of listed cuts in addition to those that are tried."""


class Grove(NamedTuple):
    """Data, trees, candidates and scratch arrays.

    Dimensions: n rows, p features, u distinct values at most, C classes, T trees, S slots, F features tried per node, K listed cuts (those
    tried and the spares, rounded up to a multiple of 8).
    """

    x: Array  # float32 (n, p)
    code: Array  # int32 (p, n): rank of the value among the feature's distinct values; 0 for a row no longer held
    values: Array  # float32 (p, u): distinct values, ascending
    word: Array  # uint64 (p, u): their hashes
    distinct: Array  # int64 (p,): their numbers
    categorical: Array  # uint8 (p,)
    tabled: Array  # uint8 (p,): whether a node's rows are counted by value instead of compared with each cut
    label: Array  # int32 (n,), -1 for a row no longer held
    member: Array  # uint8 (n, T): whether the tree contains the row
    order: Array  # int32 (T, n): rows by node; -1 for a removed row
    nodes: Array  # NODE (T, 2 S)
    counts: Array  # int32 (T, 2 S, C): rows per class
    free: Array  # int32 (2, T, S + 1): free pairs of nodes, and free slots; the last entry is the list's length
    heads: Array  # int32 (T, S, F, 3)
    cells: Array  # int32 (T, S, F, 2 + C, K)
    floats: Array  # float32, the same memory
    settings: Array  # int64: features, cuts, depth, random depth, minimum rows of a split and of a side, lazy
    key: Array  # uint64 (T,): hash of the forest's key and the tree's number
    histogram: Array  # int32 (C, u), zero between uses
    seen: Array  # uint8 (u,), zero between uses
    ints: Array  # int32 (6, max(n, u, K) + 3): scratch
    ends: Array  # int32 (C,): scratch
    stack: Array  # int32 (3, 3, 128): scratch
    words: Array  # uint64 (3, max(n, u, p, K) + 3): scratch
    touched: Array  # int64 (1,): number of scratch entries written since they were last cleared
    sums: Array  # float64 (2, K): scratch
    merits: Array  # int64 (K,): the first row of ``sums``, as bits


def listed(cuts: int) -> int:
    """Return the number of listed cuts, given that of tried ones: at least 4 more, rounded up to a multiple of 8."""
    return -(-(cuts + SPARES) // 8) * 8


def tree_arrays(trees: int, slots: int, features: int, cuts: int, classes: int) -> dict[str, Array]:
    """Return the arrays of trees with a capacity of ``slots`` splits each; pages that are never written use no memory."""
    cells = np.zeros((trees, slots, features, BELOW + classes, listed(cuts)), np.int32)
    return {
        "nodes": np.zeros((trees, 2 * slots), NODE),
        "counts": np.zeros((trees, 2 * slots, classes), np.int32),
        "free": np.zeros((2, trees, slots + 1), np.int32),
        "heads": np.zeros((trees, slots, features, 3), np.int32),
        "cells": cells,
        "floats": cells.view(np.float32),
    }


def linked(grove: Grove) -> Grove:
    """Return the grove with those arrays as views that share the memory of others."""
    return grove._replace(floats=grove.cells.view(np.float32), merits=grove.sums[0].view(np.int64))


def grown(grove: Grove) -> Grove:
    """Return the grove with twice the capacity of each tree in splits."""
    trees, slots, features, rows, wide = grove.cells.shape
    larger = tree_arrays(trees, 2 * slots, features, wide - SPARES, rows - BELOW)
    for name, array in larger.items():
        old = getattr(grove, name)
        if name in ("nodes", "counts", "heads", "cells"):
            array[tuple(slice(size) for size in old.shape)] = old
    for kind, step in ((0, 2), (1, 1)):
        for tree in range(trees):
            length = grove.free[kind, tree, -1]
            list_of = larger["free"][kind, tree]
            list_of[:length] = grove.free[kind, tree, :length]
            list_of[length : length + slots] = step * np.arange(slots, 2 * slots)
            list_of[-1] = length + slots
    return grove._replace(**larger)


def codes(x: Array) -> tuple[Array, Array, Array]:
    """Return ranks (p, n), distinct values (p, u), padded with 0, and their numbers (p,), of features (n, p)."""
    found = [np.unique(column, return_inverse=True) for column in x.T + np.float32(0)]  # -0 and 0 are one value
    most = max([len(distinct) for distinct, _ in found] + [1])
    values = np.zeros((len(found), most), np.float32)
    for j, (distinct, _) in enumerate(found):
        values[j, : len(distinct)] = distinct
    numbers = np.array([len(distinct) for distinct, _ in found])
    return np.stack([rank for _, rank in found], dtype=np.int32, casting="same_kind"), values, numbers
