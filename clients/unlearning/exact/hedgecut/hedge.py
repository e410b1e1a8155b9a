"""The arrays a HedgeCut forest lives in."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
LEAF, ROBUST, OPEN = 1, 2, 3
"""What a node is: nothing to decide; a split that no removals within the budget can change; one that they may."""

_WORDS = ("path", "mask")
_NUMBERS = ("cut", "kind", "feature", "left", "depth", "parent", "via", "slot", "champion", "nested", "wider", "start", "end")
NODE = np.dtype([*((name, np.uint64) for name in _WORDS), *((name, np.int32) for name in _NUMBERS)], align=True)
"""A node: its path (1 at the root, then a bit a turn), mask, cut and feature of its split, what it is, its left child (the right one is the
next place), depth, parent and by which of the parent's candidates it hangs there, and, of an open one, the slot with its candidates, the
best of them (-1: a leaf for now), below how many open nodes it lies, how many rows the last of those that keep their rows has, and, if it
keeps its own, their stretch of ``order`` (start -1 if it does not)."""


DRAWN = np.dtype([("mask", np.uint64), ("cut", np.int32), ("feature", np.int32)], align=True)
"""A candidate: up to which bin of the feature rows go left (cut), or, of a categorical feature, which categories do (mask)."""

TURN = np.dtype([("mask", np.uint64), ("cut", np.int32), ("feature", np.int32), ("left", np.int32)], align=True)
"""A split on the way to a node, and whether the way goes left."""


class Hedge(NamedTuple):
    """Rows in public bins, trees, scratch space; n rows, p features, C classes, T trees, S slots, M candidates a node."""

    level: Array  # int32 (p, n): bin or category
    edges: Array  # int64 (p,): cuts between bins, 0 of a categorical feature
    label: Array  # int32 (n,), -1 of a row that is no longer held
    nodes: Array  # NODE (T, 4 S)
    counts: Array  # int32 (T, 4 S, C): rows per class, kept for leaves and open nodes only
    below: Array  # int32 (T, S, C, M): rows per class that go left
    drawn: Array  # DRAWN (T, S, M): the candidates
    child: Array  # int32 (T, S, M): left child under each candidate, -1 where none is kept
    order: Array  # int32 (T, 4 n): rows as they came to open nodes; the first n are for those that lie below none
    used: Array  # int32 (T, 4): places and slots taken, and parts of ``order``
    key: Array  # uint64 (T,)
    settings: Array  # int64: depth, least rows to split, least rows a side, budget, levels of kept variants
    arena: Array  # int32: rows of nodes that wait to be built
    rows: Array  # int32 (n + 1,): a node's rows by class
    scratch: Array  # int32 (C, M)
    doubtful: Array  # uint8 (M,)
    sums: Array  # float64 (3, M)
    bits: Array  # int64 (M,): the first row of ``sums``, as bits
    work: Array  # float64 (3, C)
    toward: Array  # int32 (M,): which candidates send a row left
    turns: Array  # TURN (64,)
    stack: Array  # int32 (2, 64 M + 64, 3)


def tree_arrays(trees: int, slots: int, candidates: int, classes: int) -> dict[str, Array]:
    """Return the arrays of trees with room for that many open nodes each; memory that is never written is never taken."""
    return {
        "nodes": np.zeros((trees, 4 * slots), NODE),
        "counts": np.zeros((trees, 4 * slots, classes), np.int32),
        "below": np.empty((trees, slots, classes, candidates), np.int32),
        "drawn": np.empty((trees, slots, candidates), DRAWN),
        "child": np.empty((trees, slots, candidates), np.int32),
    }


def grown(hedge: Hedge) -> Hedge:
    """Return the forest with room for twice as many nodes a tree."""
    trees, slots, classes, candidates = hedge.below.shape
    larger = tree_arrays(trees, 2 * slots, candidates, classes)
    for name, array in larger.items():
        old = getattr(hedge, name)
        array[tuple(slice(size) for size in old.shape)] = old
    return hedge._replace(**larger)
