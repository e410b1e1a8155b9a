"""The arrays of a HedgeCut forest.

An open node has *rivals*: candidate splits that removals may make the best one before the proof for its split expires. The best candidate
is called the *champion*.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
LEAF, ROBUST, OPEN = 1, 2, 3
"""Kinds of a node: no split; a split that the proven number of removals cannot change; a split that they may change."""

_WORDS = ("path", "mask")
_NUMBERS = ("cut", "feature", "kind", "left", "patience", "first", "rivals", "champion", "depth", "parent", "via", "nested")
NODE = np.dtype([*((name, np.uint64) for name in _WORDS), *((name, np.int32) for name in _NUMBERS)], align=True)
"""A node: its path (1 at the root, then one bit per level); mask, cut and feature of its split; its kind; its left child (the right one has
the next index); the number of further removals that the proof of its split covers; index and number of its rivals; the number of its
champion (-1: none); its depth; its parent; the parent's candidate to which it belongs; and the number of open nodes above it."""

RIVAL = np.dtype([("mask", np.uint64), ("cut", np.int32), ("feature", np.int32), ("child", np.int32), ("number", np.int32)], align=True)
"""A rival of an open node: the last bin of its feature that goes left (cut), or, for a categorical feature, the categories that do (mask);
its left child (-1 if it has no subtree); and its number among the node's candidates."""


class Hedge(NamedTuple):
    """Rows in public bins, trees and scratch arrays.

    Dimensions: n rows (W words of 64 bits), p features, P planes, C classes, T trees, S slots, M candidates per node.
    """

    level: Array  # int16 (n, p): bin, or category modulo 64; 0 for a row no longer held
    edges: Array  # int64 (p,): number of edges between bins, 0 for a categorical feature
    planes: Array  # uint64 (P, W): rows up to each edge, or of each category, one bit per row; the last plane is scratch
    plane: Array  # int64 (p + 1,): index of each feature's first plane
    known: Array  # uint64 (C, W): rows held, by class
    nodes: Array  # NODE (T, 4 S)
    counts: Array  # int32 (T, 4 S, C): rows per class, for leaves and open nodes only, else zeros
    rivals: Array  # RIVAL (T, 4 S): the rivals of each open node, sorted by number
    below: Array  # int32 (T, 4 S, C): rows per class that go left by each of them
    used: Array  # int32 (T, 2): used entries of nodes and of rivals
    key: Array  # uint64 (T,)
    settings: Array  # int64: depth, minimum rows of a split and of a side, budget, levels of kept variants, rows at the growth
    here: Array  # uint64 (depth + 1, W): rows, held or not, that reach a node and those above it
    trail: Array  # int32 (depth + 1,): these nodes
    word: Array  # uint64 (C, W): a node's rows by class
    rows: Array  # int32 (C W,): the same as row numbers, if they are few
    total: Array  # int32 (C,): a node's rows per class
    left: Array  # int32 (C, M): those that go left by each candidate
    doubtful: Array  # uint8 (M,)
    sums: Array  # float64 (3, M)
    bits: Array  # int64 (M,): the first row of ``sums``, as bits
    work: Array  # float64 (3, C)
    stack: Array  # int32 (2, 128 M + 64): stacks of nodes


def packed(flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    """Return flags (n, k) as bits, uint64 (k, W); bit i of word w is that of row 64 w + i."""
    octets = np.packbits(flags, axis=0, bitorder="little").T
    words = -(-len(flags) // 64)
    room = np.zeros((flags.shape[1], 8 * words), np.uint8)
    room[:, : octets.shape[1]] = octets
    return room.view("<u8").astype(np.uint64)


def row_arrays(levels: npt.NDArray[np.int16], edges: Array, categories: Array, labels: Array, classes: int) -> dict[str, Array]:
    """Return the arrays of rows in bins (n, p)."""
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
    """Return the arrays of trees with a capacity of ``slots`` open nodes each; pages that are never written use no memory."""
    return {
        "nodes": np.zeros((trees, 4 * slots), NODE),
        "counts": np.zeros((trees, 4 * slots, classes), np.int32),
        "rivals": np.zeros((trees, 4 * slots), RIVAL),
        "below": np.zeros((trees, 4 * slots, classes), np.int32),
    }


def linked(hedge: Hedge) -> Hedge:
    """Return the forest with the array as a view that shares the memory of another."""
    return hedge._replace(bits=hedge.sums[0].view(np.int64))


def grown(hedge: Hedge) -> Hedge:
    """Return the forest with twice the capacity of each tree in nodes."""
    trees, places, classes = hedge.counts.shape
    larger = tree_arrays(trees, places // 2, classes)
    for name, array in larger.items():
        array[:, :places] = getattr(hedge, name)
    return hedge._replace(**larger)
