"""Requests to GraphEraser."""

from __future__ import annotations

from dataclasses import dataclass

import numpy.typing as npt


@dataclass(frozen=True)
class Removal:
    """A request to forget nodes, given by their ids, shape (n,), and edges, shape (m, 2), each a pair of node ids in any order."""

    nodes: npt.ArrayLike = ()
    edges: npt.ArrayLike = ()
