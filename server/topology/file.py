"""Graphs from files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import ParseError

import networkx as nx

from server.topology import Graph, TopologyError, TopologySpec


class FromFile(TopologySpec):
    """A graph from a GraphML file (``.graphml``, ``.xml``) or an edge list: two peer numbers a line, ``#`` starts a comment."""

    kind: Literal["file"] = "file"
    path: str

    def draw(self, peers: int, seed: int) -> Graph:
        """Return the file's graph; ``TopologyError`` if it cannot be read."""
        path = Path(self.path).expanduser()
        try:
            if path.suffix in (".graphml", ".xml"):
                return nx.relabel_nodes(nx.Graph(nx.read_graphml(path)), int)
            return _edge_list(path)
        except OSError:
            raise TopologyError(f"{self.path}: there is no such file: correct path (it starts at the scenario file's folder)") from None
        except (ParseError, nx.NetworkXError, ValueError, KeyError) as error:
            if isinstance(error, TopologyError):
                raise
            what = f" ({error})" if isinstance(error, ParseError) else ""  # the others quote what the file says
            raise TopologyError(f"{self.path}: is no GraphML file with peer numbers as node ids{what}: mend or convert it") from None


def _edge_list(path: Path) -> Graph:
    """Return the graph of an edge list."""
    graph: Graph = nx.Graph()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        cells = line.split("#")[0].replace(",", " ").split()
        if not cells:
            continue
        if len(cells) < 2 or not all(cell.isdigit() for cell in cells[:2]):
            raise TopologyError(f"{path}: line {number} is no pair of peers: write two peer numbers a line")
        graph.add_edge(int(cells[0]), int(cells[1]))
    return graph
