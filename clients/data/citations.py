"""Citation graphs as data sets, in which a row is a node."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np

from clients.data import Dataset, DatasetSpec, only


class Citations(DatasetSpec):
    """Papers with their words, and the citations among them, from an ``npz`` file; see `clients.data.graphs.load_graph`.

    Nodes without a label are omitted, with their edges; the others are numbered from 0 in their order.

    Parameters
    ----------
    path : str
        The ``npz`` file, relative to the scenario's folder.
    """

    catalogue: ClassVar[str] = "which nodes the graph has, and how they are numbered"
    dataset: Literal["citations"] = "citations"
    path: str

    def load(self) -> Dataset:
        """Return rows of shape (words,), and the edges among them; ``DataError`` if the file is no citation graph."""
        from clients.data.graphs import load_graph
        from clients.data.scaling import existing

        graph = load_graph(existing(self.path, "npz file"))
        labels = tuple(str(label) for label in range(int(graph.y.max()) + 1))
        data = only(Dataset(graph.x.toarray(), graph.y, labels, edges=graph.edges), np.flatnonzero(graph.y >= 0))
        left_out = len(graph) - len(data)
        note = f"{left_out} nodes without a label are left out, with their edges; the others are numbered anew, 0 to {len(data) - 1}"
        return replace(data, notes=(note,) if left_out else ())
