"""Graphs from files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from clients.data import DataError
from clients.data.delimited import read_text
from clients.data.scaling import existing
from server.topology import Graph, TopologyError, TopologySpec

_NUMBER = re.compile(r"[0-9]{1,9}")


class FromFile(TopologySpec):
    """A graph from a GraphML file (``.graphml``, ``.xml``) or an edge list: two peer numbers a line.

    In an edge list ``#`` starts a comment; weights, which are no whole numbers, are left out.

    Parameters
    ----------
    path : str
        The file, from the scenario's folder.
    """

    kind: Literal["file"] = "file"
    path: str

    def draw(self, peers: int, seed: int) -> Graph:
        """Return the file's graph; ``TopologyError`` if it cannot be read."""
        try:
            path = existing(self.path, "file")
            return _graphml(path) if path.suffix in (".graphml", ".xml") else _edge_list(path)
        except DataError as error:
            raise TopologyError(str(error)) from None


def _graphml(path: Path) -> Graph:
    """Return the graph of a GraphML file."""
    import networkx as nx

    try:
        read: nx.Graph[Any] = nx.Graph(nx.read_graphml(path))
    except Exception as error:  # the parser answers a damaged file with errors of many kinds
        reason = " ".join((str(error) or type(error).__name__).split())[:200]
        raise TopologyError(f"{path}: is no GraphML file with peer numbers as node ids ({reason}): mend or convert it") from None
    if place := next((i for i, node in enumerate(read, start=1) if not _NUMBER.fullmatch(str(node))), None):
        raise TopologyError(f"{path}: is no GraphML file with peer numbers as node ids (node {place} of it has none): number them from 0")
    numbers = {node: int(str(node)) for node in read}
    if len(set(numbers.values())) < len(numbers):
        raise TopologyError(f"{path}: writes a peer's number in two ways, such as 1 and 01: write it in one")
    return nx.relabel_nodes(read, numbers)


def _edge_list(path: Path) -> Graph:
    """Return the graph of an edge list."""
    import networkx as nx

    graph: Graph = nx.Graph()
    for number, line in enumerate(read_text(path, "an edge list").splitlines(), start=1):
        cells = line.split("#")[0].replace(",", " ").split()
        if not cells:
            continue
        if len(cells) < 2 or not all(map(_NUMBER.fullmatch, cells[:2])):
            raise TopologyError(f"{path}: line {number} is no pair of peers: write two peer numbers a line; comments start with #")
        if any(map(_NUMBER.fullmatch, cells[2:])):
            raise TopologyError(f"{path}: line {number} has more than two peer numbers: write each edge on a line of its own")
        graph.add_edge(int(cells[0]), int(cells[1]))
    if not graph:
        raise TopologyError(f"{path}: holds no edge: write two peer numbers a line")
    return graph
