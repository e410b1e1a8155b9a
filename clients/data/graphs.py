"""Attributed graphs whose nodes have permanent ids, and the loader of citation graphs from an ``npz`` file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from clients.data import DataError, Dataset
from clients.data.graph_files import read_citations
from clients.data.rows import Ids

Edges = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Graph:
    """An undirected graph with sparse node features.

    Parameters
    ----------
    ids : int64 array, shape (n,)
        Node ids, assigned once and never reused; ascending, without duplicates.
    x : scipy CSR matrix of float32, shape (n, features)
        Features of the nodes.
    edges : int64 array, shape (m, 2)
        Pairs of node ids ``u < v``, ascending, without duplicates. In a training graph, both ends are in ``ids``; in a graph of nodes to
        be classified, one end may be another node.
    y : int64 array, shape (n,)
        Class labels; -1 for a node without one.
    """

    ids: Ids
    x: sp.csr_matrix
    edges: Edges
    y: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    def only(self, ids: npt.ArrayLike) -> Self:
        """Return the subgraph induced by the nodes among ``ids``."""
        return self._cut(np.isin(self.ids, np.asarray(ids, dtype=np.int64)))

    def without(self, ids: npt.ArrayLike) -> Self:
        """Return the graph without the nodes among ``ids`` and without their edges."""
        return self._cut(~np.isin(self.ids, np.asarray(ids, dtype=np.int64)))

    def without_edges(self, edges: npt.ArrayLike) -> Self:
        """Return the graph without the given edges, an array of shape (m, 2) of node ids ``u < v``."""
        gone = edge_codes(np.asarray(edges, dtype=np.int64).reshape(-1, 2))
        return type(self)(self.ids, self.x, self.edges[~np.isin(edge_codes(self.edges), gone)], self.y)

    def around(self, ids: npt.ArrayLike) -> Self:
        """Return the nodes among ``ids`` with every edge that has at least one end there: the input of predictions for new nodes."""
        wanted = np.asarray(ids, dtype=np.int64)
        kept = np.isin(self.ids, wanted)
        return type(self)(self.ids[kept], self.x[kept], self.edges[np.isin(self.edges, wanted).any(axis=1)], self.y[kept])

    def _cut(self, kept: npt.NDArray[np.bool_]) -> Self:
        ids = self.ids[kept]
        return type(self)(ids, self.x[kept], self.edges[np.isin(self.edges, ids).all(axis=1)], self.y[kept])


def graph(ids: npt.ArrayLike, x: Any, edges: npt.ArrayLike, y: npt.ArrayLike) -> Graph:
    """Return a graph in canonical form: nodes ascending by id, edges ``u < v`` ascending, each edge once, no loops.

    Parameters
    ----------
    ids : array-like of int, shape (n,)
        Node ids, without duplicates.
    x : dense or sparse matrix, shape (n, features)
        Features of the nodes.
    edges : array-like of int, shape (m, 2)
        Pairs of node ids in any order.
    y : array-like of int, shape (n,)
        Class labels; -1 for a node without one.
    """
    nodes = np.asarray(ids, dtype=np.int64)
    place = np.argsort(nodes, kind="stable")
    pairs = np.sort(np.asarray(edges, dtype=np.int64).reshape(-1, 2), axis=1)
    pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    features = sp.csr_matrix(x, dtype=np.float32)[place]
    features.sort_indices()
    return Graph(nodes[place], features, pairs, np.asarray(y, dtype=np.int64)[place])


def among(source: Dataset, ids: Ids) -> Graph:
    """Return the nodes with these ids, ascending, and the edges that join two of them: the training graph of one peer."""
    inside = np.isin(source.edges, ids).all(axis=1)
    return Graph(ids, sp.csr_matrix(source.x[ids]), source.edges[inside], source.y[ids])


def around(source: Dataset, ids: Ids) -> Graph:
    """Return the nodes with these ids, ascending, without labels, and every edge that has an end there: the input of predictions."""
    near = np.isin(source.edges, ids).any(axis=1)
    return Graph(ids, sp.csr_matrix(source.x[ids]), source.edges[near], np.full(len(ids), -1))


def load_graph(path: str | Path) -> Graph:
    """Return the citation graph of an ``npz`` file; node ``i`` has id ``i``.

    The file holds CSR features ``x_data``, ``x_indices``, ``x_indptr``, ``x_shape``, undirected ``edges`` of shape (m, 2) and labels
    ``y`` (-1 for a node without one). Every row of features is scaled to sum to 1, which depends on that row alone.

    Raises
    ------
    DataError
        If the file cannot be read, lacks an array, or its arrays contradict each other.
    """
    x, edges, y = read_citations(path)
    total = np.asarray(abs(x).sum(axis=1)).ravel()
    if not np.isfinite(total).all():
        row = int(np.argmax(~np.isfinite(total)))
        raise DataError(f"{path}: row {row} (from 0) of the features adds up to more than float32 holds; scale it")
    scale = sp.diags_array((1 / np.where(total > 0, total, 1)).astype(np.float32))
    return graph(np.arange(len(y)), scale @ x, edges, y)


def edge_codes(edges: Edges) -> npt.NDArray[np.void]:
    """Return each row as one comparable value, shape (m,)."""
    return np.ascontiguousarray(edges).view([("u", np.int64), ("v", np.int64)]).ravel()
