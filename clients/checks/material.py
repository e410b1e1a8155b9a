"""Small data sets for the suites: rows, a graph, and interactions, each with the functions that a suite needs."""

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
"""Ids start here and advance by this step, so that they are not positions and do not occur in a model's state by chance."""


@dataclass(frozen=True)
class Material:
    """Training data with the functions that a suite needs, in the same form for every unit that can be forgotten.

    Parameters
    ----------
    problem : Problem
    data : Rows, Graph or Ratings
        With at least 61 permanent ``ids``.
    asked : input of ``predict_proba``
    answers : int array
        Correct predictions for ``asked``.
    group : int array
        Group of each id, such as its class or user.
    without : function
        Returns the data without the given ids.
    request : function
        Returns the request that names the given ids.
    shown : function
        Returns an id as it appears in error messages.
    unknown : int
        An id that is not in the data.
    further : dict of str to (list of requests, remaining data)
        Requests that cannot be expressed as a list of ids; units other than rows must have some.
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
        """The permanent ids of the data."""
        ids: Ids = self.data.ids
        return ids

    def with_values(self, ids: npt.ArrayLike) -> Rows:
        """Return the rows with these ids as they are named; an unknown one has the values of the next."""
        named = np.asarray(ids, dtype=np.int64)
        places = np.minimum(np.searchsorted(self.ids, named), len(self.ids) - 1)
        return Rows(named, self.data.x[places], self.data.y[places])

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
    """Return which items 120 users like, bool ``(120, 12)``, and the item that each should be recommended, int64 ``(120,)``.

    The items stand on three shelves of four. A user likes three items of one shelf, of which the fourth is to be recommended, and one
    item of the next shelf.
    """
    users = np.arange(120)
    shelf, left_out = users % 3, users // 3 % 4
    items = np.arange(12)
    liked = (items // 4 == shelf[:, None]) & (items % 4 != left_out[:, None])
    liked |= items == ((4 * (shelf + 1) + users // 12 % 4) % 12)[:, None]
    return liked, 4 * shelf + left_out


@cache
def interactions_material() -> Material:
    """Return the likes of 120 users as interactions; users and items can be forgotten too."""
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
    """Return a graph of 90 nodes in three densely connected groups; 30 further nodes are to be classified."""
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
