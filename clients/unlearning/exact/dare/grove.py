"""The arrays a forest lives in.

Trees share their arrays, first index the tree. A node is a place in the node arrays; its rows are a stretch of the tree's ``order``, in
which forgotten rows stay as holes until the stretch is next divided. Which place a node has, and the order of rows within a stretch, are
accidents: nothing that is learned depends on them.
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

TRY = np.dtype([("feature", np.int32), ("many", np.int32)], align=True)
"""A feature that is tried at a split, and how many candidate cuts it has; 0 ends a slot's list."""

VALUE = np.dtype([("word", np.uint64), ("value", np.float32)], align=True)
"""A distinct value of a feature, and its hash."""


class Grove(NamedTuple):
    """Data, trees, candidates and scratch space; n rows, p features, u distinct values at most, C classes, T trees, S slots."""

    x: Array  # float32 (p, n)
    code: Array  # int32 (p, n): rank of the value among the feature's distinct values
    values: Array  # VALUE (p, u)
    categorical: Array  # uint8 (p,)
    label: Array  # int32 (n,), -1 of a row that is no longer held
    member: Array  # uint8 (T, n): whether the tree knows the row
    order: Array  # int32 (T, n): rows by node; -1 is a hole
    nodes: Array  # NODE (T, 2 S)
    counts: Array  # int32 (T, 2 S, C): rows per class
    free: Array  # int32 (2, T, S + 1): free pairs of places, and free slots; the last entry is the list's length
    tries: Array  # TRY (T, S, F)
    at: Array  # float32 (T, S, F, K): a feature's candidate cuts, ascending
    ties: Array  # int32 (T, S, F, K): rows whose value is the cut
    below: Array  # int32 (T, S, F, C, K): rows per class that go left
    settings: Array  # int64: features, cuts, depth, random depth, least rows to split, least rows a side, lazy
    key: Array  # uint64 (T,): hash of the forest's key and the tree's number
    histogram: Array  # int32 (u, C + 1), zero between uses
    ints: Array  # int32 (3, max(n, u, K)): scratch
    words: Array  # uint64 (2, max(p, K)): scratch
    sums: Array  # float64 (3, K): scratch


def tree_arrays(trees: int, slots: int, features: int, cuts: int, classes: int) -> dict[str, Array]:
    """Return the arrays of trees with room for that many splits each; memory that is never written is never taken."""
    return {
        "nodes": np.zeros((trees, 2 * slots), NODE),
        "counts": np.zeros((trees, 2 * slots, classes), np.int32),
        "free": np.zeros((2, trees, slots + 1), np.int32),
        "tries": np.zeros((trees, slots, features), TRY),
        "at": np.empty((trees, slots, features, cuts), np.float32),
        "ties": np.empty((trees, slots, features, cuts), np.int32),
        "below": np.empty((trees, slots, features, classes, cuts), np.int32),
    }


def grown(grove: Grove) -> Grove:
    """Return the grove with room for twice as many splits a tree."""
    trees, slots, features, classes, cuts = grove.below.shape
    larger = tree_arrays(trees, 2 * slots, features, cuts, classes)
    for name, array in larger.items():
        old = getattr(grove, name)
        if name != "free":
            array[tuple(slice(size) for size in old.shape)] = old
    for kind, step in ((0, 2), (1, 1)):
        for tree in range(trees):
            length = grove.free[kind, tree, -1]
            list_of = larger["free"][kind, tree]
            list_of[:length] = grove.free[kind, tree, :length]
            list_of[length : length + slots] = step * np.arange(slots, 2 * slots)
            list_of[-1] = length + slots
    return grove._replace(**larger)


def codes(x: Array) -> tuple[Array, Array]:
    """Return ranks (p, n), and distinct values with their bits (p, u), of features (p, n); rows of values are padded."""
    found = [np.unique(column, return_inverse=True) for column in x + np.float32(0)]  # -0 and 0 are one value
    most = max([len(distinct) for distinct, _ in found] + [1])
    values = np.zeros((len(x), most), VALUE)
    for j, (distinct, _) in enumerate(found):
        values["value"][j, : len(distinct)] = distinct
    values["word"] = np.ascontiguousarray(values["value"]).view(np.uint32)
    return np.stack([rank for _, rank in found]).astype(np.int32), values
