"""The arrays a forest lives in.

Trees share their arrays, first index the tree. A node is a place in the node arrays; its rows are a stretch of the tree's ``order``, in
which forgotten rows stay as holes until the stretch is next divided. Which place a node has, and the order of rows within a stretch, are
accidents: nothing that is learned depends on them. What is given back is overwritten with zeros, and so is scratch space after use: else
cuts, counts and codes of rows that have been forgotten since could be read there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
LEAF, SPLIT, PENDING = 1, 2, 3
"""What a node is; a pending one has rows but has not been looked at yet."""


NODE = np.dtype(
    {
        "names": ["path", "kind", "feature", "cut", "left", "depth", "start", "end", "slot"],
        "formats": [np.uint64, np.int32, np.int32, np.float32, np.int32, np.int32, np.int32, np.int32, np.int32],
    },
    align=True,
)
"""A node: its path (1 at the root, then a bit a turn), what it is, its split, its left child (the right one is the next place), its depth,
its stretch of rows, and, of a split, the slot that holds its candidates."""

AT, TIES, BELOW = range(3)
"""Rows of a cell, which holds the candidate cuts of a feature that is tried at a split, in the order of their hashes: the cuts
(float32), how many rows have the cut's value, and, from the last on, how many rows of each class go left. The first k are tried; those
behind are next in turn when one of them falls out, so that rows need not be counted again."""

FEATURE, NUMBER, WHOLE = range(3)
"""Columns of a cell's head: the feature, how many cuts are listed (0 ends a slot's list), and whether these are all there are."""

SPARES = 4
"""Least number of cuts listed behind those that are tried."""


class Grove(NamedTuple):
    """Data, trees, candidates and scratch space; n rows, p features, u distinct values at most, C classes, T trees, S slots, K
    cuts listed (those tried and the spares, rounded up to a multiple of 8).
    """

    x: Array  # float32 (n, p)
    code: Array  # int32 (n, p), column by column: rank of the value among the feature's distinct values; 0 of a row no longer held
    values: Array  # float32 (p, u): distinct values, ascending
    word: Array  # uint64 (p, u): their hashes
    distinct: Array  # int64 (p,): how many they are
    categorical: Array  # uint8 (p,)
    tabled: Array  # uint8 (p,): whether a node's rows are counted value by value, and not compared cut by cut
    label: Array  # int32 (n,), -1 of a row that is no longer held
    member: Array  # uint8 (n, T): whether the tree knows the row
    order: Array  # int32 (T, n): rows by node; -1 is a hole
    nodes: Array  # NODE (T, 2 S)
    counts: Array  # int32 (T, 2 S, C): rows per class
    free: Array  # int32 (2, T, S + 1): free pairs of places, and free slots; the last entry is the list's length
    heads: Array  # int32 (T, S, F, 3)
    cells: Array  # int32 (T, S, F, 2 + C, K)
    floats: Array  # float32, the same memory
    settings: Array  # int64: features, cuts, depth, random depth, least rows to split, least rows a side, lazy
    key: Array  # uint64 (T,): hash of the forest's key and the tree's number
    histogram: Array  # int32 (C, u), zero between uses
    seen: Array  # uint8 (u,), zero between uses
    ints: Array  # int32 (6, max(n, u, K) + 3): scratch
    ends: Array  # int32 (C,): scratch
    stack: Array  # int32 (3, 3, 128): scratch
    words: Array  # uint64 (3, max(n, u, p, K) + 3): scratch
    touched: Array  # int64 (1,): how much of the scratch space has been written since it was last cleared
    sums: Array  # float64 (2, K): scratch
    merits: Array  # int64 (K,): the first row of ``sums``, as bits


def listed(cuts: int) -> int:
    """Return how many cuts are listed of which so many are tried."""
    return -(-(cuts + SPARES) // 8) * 8


def tree_arrays(trees: int, slots: int, features: int, cuts: int, classes: int) -> dict[str, Array]:
    """Return the arrays of trees with room for that many splits each; memory that is never written is never taken."""
    cells = np.zeros((trees, slots, features, BELOW + classes, listed(cuts)), np.int32)
    return {
        "nodes": np.zeros((trees, 2 * slots), NODE),
        "counts": np.zeros((trees, 2 * slots, classes), np.int32),
        "free": np.zeros((2, trees, slots + 1), np.int32),
        "heads": np.zeros((trees, slots, features, 3), np.int32),
        "cells": cells,
        "floats": cells.view(np.float32),
    }


def grown(grove: Grove) -> Grove:
    """Return the grove with room for twice as many splits a tree."""
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
    """Return ranks (n, p), distinct values (p, u), and their numbers (p,), of features (n, p); rows of values are padded."""
    found = [np.unique(column, return_inverse=True) for column in x.T + np.float32(0)]  # -0 and 0 are one value
    most = max([len(distinct) for distinct, _ in found] + [1])
    values = np.zeros((len(found), most), np.float32)
    for j, (distinct, _) in enumerate(found):
        values[j, : len(distinct)] = distinct
    numbers = np.array([len(distinct) for distinct, _ in found])
    return np.asfortranarray(np.stack([rank for _, rank in found], axis=1), dtype=np.int32), values, numbers
