"""The arrays a HedgeCut forest lives in."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
LEAF, ROBUST, OPEN = 1, 2, 3
"""What a node is: nothing to decide; a split that the removals it bears cannot change; one that they may."""

_WORDS = ("path", "mask")
_NUMBERS = ("cut", "feature", "kind", "left", "patience", "first", "rivals", "champion", "depth", "parent", "via", "nested")
NODE = np.dtype([*((name, np.uint64) for name in _WORDS), *((name, np.int32) for name in _NUMBERS)], align=True)
"""A node: its path (1 at the root, then a bit a turn), mask, cut and feature of its split, what it is, its left child (the right one is the
next place), how many more removals the proof of its split bears, where its rivals stand and how many they are, the number of the candidate
it is split by (-1: none), depth, parent, by which of the parent's candidates it hangs there, and below how many open nodes it lies."""

RIVAL = np.dtype([("mask", np.uint64), ("cut", np.int32), ("feature", np.int32), ("child", np.int32), ("number", np.int32)], align=True)
"""A candidate that may be an open node's best before its proof is used up: up to which bin of the feature rows go left (cut), or, of a
categorical feature, which categories do (mask), its left child (-1 where none is kept), and its number among the node's candidates."""


class Hedge(NamedTuple):
    """Rows in public bins, trees, scratch space; n rows (W words of 64), p features, C classes, T trees, S slots, M candidates a node."""

    level: Array  # int16 (n, p): bin, or category modulo 64; 0 of a row that is no longer held
    edges: Array  # int64 (p,): cuts between bins, 0 of a categorical feature
    planes: Array  # uint64 (P, W): rows up to each cut, or of each category, a bit a row; the last is scratch
    plane: Array  # int64 (p + 1,): where each feature's planes begin
    known: Array  # uint64 (C, W): rows held, by class
    nodes: Array  # NODE (T, 4 S)
    counts: Array  # int32 (T, 4 S, C): rows per class, kept for leaves and open nodes only, zeros of others
    rivals: Array  # RIVAL (T, 4 S): of each open node those it has, by number
    below: Array  # int32 (T, 4 S, C): rows per class that go left under each of them
    used: Array  # int32 (T, 2): places and rivals taken
    key: Array  # uint64 (T,)
    settings: Array  # int64: depth, least rows to split, least rows a side, budget, levels of kept variants, rows planted
    here: Array  # uint64 (depth + 1, W): rows that come to a node, held or not, and to those above it
    trail: Array  # int32 (depth + 1,): these nodes
    word: Array  # uint64 (C, W): a node's rows by class
    rows: Array  # int32 (C W,): the same one by one, where they are few
    total: Array  # int32 (C,): a node's rows per class
    left: Array  # int32 (C, M): those that go left under each candidate
    doubtful: Array  # uint8 (M,)
    sums: Array  # float64 (3, M)
    bits: Array  # int64 (M,): the first row of ``sums``, as bits
    work: Array  # float64 (3, C)
    stack: Array  # int32 (2, 128 M + 64): nodes that wait


def packed(flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    """Return flags (n, k) as k rows of words, bit i of word w for row 64 w + i."""
    octets = np.packbits(flags, axis=0, bitorder="little").T
    words = -(-len(flags) // 64)
    room = np.zeros((flags.shape[1], 8 * words), np.uint8)
    room[:, : octets.shape[1]] = octets
    return room.view("<u8").astype(np.uint64)


def row_arrays(levels: npt.NDArray[np.int16], edges: Array, categories: Array, labels: Array, classes: int) -> dict[str, Array]:
    """Return what is known of rows in bins (n, p)."""
    planes = [
        packed(column[:, None] <= np.arange(cuts) if cuts else column[:, None] == np.arange(min(k, 64)))
        for column, cuts, k in zip(levels.T, edges, categories, strict=True)
    ]
    return {
        "level": levels,
        "edges": edges,
        "planes": np.concatenate([*planes, np.zeros((1, -(-len(levels) // 64)), np.uint64)]),
        "plane": np.cumsum([0, *(len(part) for part in planes)]),
        "known": packed(labels[:, None] == np.arange(classes)),
    }


def tree_arrays(trees: int, slots: int, classes: int) -> dict[str, Array]:
    """Return the arrays of trees with room for that many open nodes each; memory that is never written is never taken."""
    return {
        "nodes": np.zeros((trees, 4 * slots), NODE),
        "counts": np.zeros((trees, 4 * slots, classes), np.int32),
        "rivals": np.zeros((trees, 4 * slots), RIVAL),
        "below": np.zeros((trees, 4 * slots, classes), np.int32),
    }


def grown(hedge: Hedge) -> Hedge:
    """Return the forest with room for twice as many nodes a tree."""
    trees, places, classes = hedge.counts.shape
    larger = tree_arrays(trees, places // 2, classes)
    for name, array in larger.items():
        array[:, :places] = getattr(hedge, name)
    return hedge._replace(**larger)
