"""The arrays a HedgeCut forest lives in."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
LEAF, ROBUST, OPEN = 1, 2, 3
"""What a node is: nothing to decide; a split that no removals within the budget can change; one that they may."""

NODE = np.dtype(
    {
        "names": ["path", "word", "kind", "feature", "left", "depth", "parent", "via", "slot", "champion", "nested", "start", "end"],
        "formats": [np.uint64, np.uint64] + [np.int32] * 11,
    },
    align=True,
)
"""A node: its path (1 at the root, then a bit a turn), what it is, the feature and word of its split, its left child (the right one is the
next place), depth, parent and by which of the parent's candidates it hangs there, and, of an open one, the slot with its candidates, the
best of them (-1: a leaf for now), below how many open nodes it lies, and, of an open one below none, its stretch of ``order``."""


DRAWN = np.dtype([("word", np.uint64), ("feature", np.int32)], align=True)
"""A candidate: the feature, and the cut between bins or, of a categorical feature, which categories go left."""


class Hedge(NamedTuple):
    """Rows in public bins, trees, scratch space; n rows, p features, C classes, T trees, S slots, M candidates a node."""

    level: Array  # int32 (p, n): bin or category
    edges: Array  # int64 (p,): cuts between bins, 0 of a categorical feature
    label: Array  # int32 (n,), -1 of a row that is no longer held
    nodes: Array  # NODE (T, 4 S)
    counts: Array  # int32 (T, 4 S, C): rows per class, kept for leaves and open nodes only
    below: Array  # int32 (T, S, M, C): rows per class that go left
    drawn: Array  # DRAWN (T, S, M): the candidates
    child: Array  # int32 (T, S, M): left child under each candidate, -1 where none is kept
    order: Array  # int32 (T, n): rows as they came to open nodes that lie below none
    used: Array  # int32 (T, 3): places, slots and part of ``order`` taken
    key: Array  # uint64 (T,)
    settings: Array  # int64: depth, least rows to split, least rows a side, budget, levels of kept variants
    arena: Array  # int32: rows of nodes that wait to be built
    scratch: Array  # int32 (M, C)
    doubtful: Array  # uint8 (M,)


def tree_arrays(trees: int, slots: int, candidates: int, classes: int) -> dict[str, Array]:
    """Return the arrays of trees with room for that many open nodes each; memory that is never written is never taken."""
    return {
        "nodes": np.zeros((trees, 4 * slots), NODE),
        "counts": np.zeros((trees, 4 * slots, classes), np.int32),
        "below": np.empty((trees, slots, candidates, classes), np.int32),
        "drawn": np.empty((trees, slots, candidates), DRAWN),
        "child": np.empty((trees, slots, candidates), np.int32),
    }


def grown(hedge: Hedge) -> Hedge:
    """Return the forest with room for twice as many nodes a tree."""
    trees, slots, candidates, classes = hedge.below.shape
    larger = tree_arrays(trees, 2 * slots, candidates, classes)
    for name, array in larger.items():
        old = getattr(hedge, name)
        array[tuple(slice(size) for size in old.shape)] = old
    return hedge._replace(**larger)
