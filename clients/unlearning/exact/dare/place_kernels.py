"""Compiled: allocation of a tree's nodes and slots, which are overwritten before they are freed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clients.unlearning.exact.compiled import bare
from clients.unlearning.exact.dare.grove import SPLIT, Grove
from clients.unlearning.exact.dare.node_kernels import blank_feature

Rows = npt.NDArray[np.int32]
PAIRS, SLOTS = range(2)
"""Indices of the free lists."""

FORGETTING, GROWING, CLEARING = range(3)
"""Indices of the stacks, by their user."""


@bare
def give(free: Rows, item: int) -> None:
    """Append an item to a list whose length is its last entry."""
    free[free[-1]] = item
    free[-1] += 1


@bare
def take(free: Rows) -> Any:
    """Remove and return the last item of a list, -1 if it is empty."""
    if free[-1] == 0:
        return -1
    free[-1] -= 1
    return free[free[-1]]


@bare
def give_slot(g: Grove, t: int, slot: int) -> None:
    """Overwrite a slot and free it."""
    for f in range(g.heads.shape[2]):
        blank_feature(g, t, slot, f)
    give(g.free[SLOTS, t], slot)


@bare
def blank_split(g: Grove, t: int, node: int) -> None:
    """Overwrite the split of a node."""
    g.nodes[t, node].feature, g.nodes[t, node].cut, g.nodes[t, node].left, g.nodes[t, node].slot = 0, np.float32(0), 0, 0


@bare
def blank(g: Grove, t: int, node: int) -> None:
    """Overwrite a node."""
    blank_split(g, t, node)
    g.nodes[t, node].kind, g.nodes[t, node].path, g.nodes[t, node].depth = 0, np.uint64(0), 0
    g.nodes[t, node].start, g.nodes[t, node].end = 0, 0
    for y in range(g.counts.shape[2]):
        g.counts[t, node, y] = 0


@bare
def clear(g: Grove, t: int, node: int, own: bool) -> None:
    """Free the nodes and slots below a node, and with ``own`` its own slot."""
    stack = g.stack[CLEARING, 0]
    stack[0] = node
    waiting = 1
    while waiting:
        waiting -= 1
        at = stack[waiting]
        if g.nodes[t, at].kind == SPLIT:
            if own or at != node:
                give_slot(g, t, g.nodes[t, at].slot)
            left = g.nodes[t, at].left
            give(g.free[PAIRS, t], left)
            stack[waiting], stack[waiting + 1] = left, left + 1
            waiting += 2
        if at != node:
            blank(g, t, at)
    g.nodes[t, node].kind = 0
    if own:
        blank_split(g, t, node)
