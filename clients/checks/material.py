"""Small data for suites: rows, a graph, and interactions, each with what a suite must know of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids, Rows
from clients.unlearning.contract import Problem

if TYPE_CHECKING:
    from clients.data.ratings import Ratings

FIRST, STEP = 1_000_003, 7
"""Ids are no positions and too large to be met by chance in a model's state."""


@dataclass(frozen=True)
class Material:
    """Data to learn from, and what a suite must know of them: the same for every unit that can be forgotten.

    Parameters
    ----------
    problem : Problem
    data : Rows, Graph or Ratings
        Each has lifelong ``ids``, at least 61 of them.
    asked : what ``predict_proba`` takes
    answers : int array
        What should be predicted there.
    group : int array
        By id, what it belongs together with: a class, a user.
    without : function
        Return the data without some ids.
    request : function
        Return the request that names some ids.
    shown : function
        Return an id as errors name it.
    unknown : int
        An id that nobody holds.
    further : dict of str to (list of requests, data that are left)
        Requests that no list of ids says; a unit other than rows must have some.
    """

    problem: Problem
    data: Any
    asked: Any
    answers: npt.NDArray[Any]
    group: npt.NDArray[Any]
    without: Callable[[Any, npt.ArrayLike], Any]
    request: Callable[[npt.ArrayLike], Any] = np.asarray
    shown: Callable[[int], str] = str
    unknown: int = FIRST + 1
    further: Mapping[str, tuple[Sequence[Any], Any]] = field(default_factory=dict)

    @property
    def ids(self) -> Ids:
        """The lifelong ids of the data."""
        ids: Ids = self.data.ids
        return ids

    @classmethod
    def of_rows(cls, problem: Problem, rows: Rows) -> Material:
        """Return the material of labelled rows."""
        return cls(problem, rows, rows.x, rows.y, rows.y, Rows.without)


@cache
def rows_material() -> Material:
    """Return numeric columns with public bounds: 120 rows, two classes, two rounds."""
    from clients.data.bundled import BreastCancer

    data = BreastCancer().load()
    rows = Rows(FIRST + STEP * np.arange(120), data.x[:120], data.y[:120])
    return Material.of_rows(Problem(data.shape, data.classes, rounds=2, columns=data.columns), rows)


def shelves() -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Return 120 users who like three of the four items of one of three shelves, and one of the next shelf; and the fourth item."""
    users = np.arange(120)
    shelf, left_out = users % 3, users // 3 % 4
    items = np.arange(12)
    liked = (items // 4 == shelf[:, None]) & (items % 4 != left_out[:, None])
    liked |= items == ((4 * (shelf + 1) + users // 12 % 4) % 12)[:, None]
    return liked, 4 * shelf + left_out


@cache
def interactions_material() -> Material:
    """Return what 120 users like, one interaction after the other; users and items can be forgotten, too."""
    from clients.data.ratings import ratings
    from clients.unlearning.exact.recommender.requests import Removal

    liked, label = shelves()
    users, items = np.nonzero(liked)
    data = ratings(users, items, 120, 12)

    def pairs(ids: npt.ArrayLike) -> npt.NDArray[np.int64]:
        codes = np.asarray(ids, dtype=np.int64)
        return np.stack([codes // 12, codes % 12], axis=1)

    def without(kept: Ratings, ids: npt.ArrayLike) -> Ratings:
        return kept.keep(~np.isin(kept.ids, np.asarray(ids, dtype=np.int64)))

    further: dict[str, tuple[Sequence[Any], Any]] = {
        "users": ([Removal(users=[3, 40])], data.keep(~np.isin(data.user, [3, 40]))),
        "an item": ([Removal(items=[5])], data.keep(data.item != 5)),
        "all at once": (
            [Removal(pairs(data.ids[-1:]), users=[7], items=[2])],
            without(data.keep((data.user != 7) & (data.item != 2)), data.ids[-1:]),
        ),
    }

    def shown(code: int) -> str:
        return str([code // 12, code % 12])

    unseen = int(label[0])  # by user 0
    return Material(Problem((), 12, rounds=2), data, np.arange(120), label, data.user, without, pairs, shown, unseen, further)


@cache
def graph_material() -> Material:
    """Return a graph of 90 nodes in three groups that know each other well; 30 more are asked about."""
    import networkx as nx

    from clients.data.graphs import Graph, graph
    from clients.unlearning.exact.graph.requests import Removal

    y = np.repeat(np.arange(3), 40)
    drawn = nx.stochastic_block_model([40] * 3, (np.full((3, 3), 0.01) + np.eye(3) * 0.15).tolist(), seed=1)
    x = np.random.default_rng(1).normal(size=(120, 8)) + np.eye(8)[y]
    whole = graph(FIRST + STEP * np.arange(120), x, FIRST + STEP * np.array(drawn.edges), y)
    new = whole.ids[::4]
    data, asked = whole.without(new), whole.around(new)
    edges = data.edges[::9]
    further: dict[str, tuple[Sequence[Any], Any]] = {
        "edges": ([Removal(edges=edges)], data.without_edges(edges)),
        "edges one by one, ends swapped": ([Removal(edges=[edge[::-1]]) for edge in edges[:3]], data.without_edges(edges[:3])),
        "nodes and edges": ([Removal(data.ids[:2], edges)], data.without_edges(edges).without(data.ids[:2])),
    }
    return Material(Problem((8,), 3, rounds=2), data, asked, asked.y, data.y, Graph.without, further=further)
