"""Training and prediction of the shards' networks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from clients.data.graphs import Graph
from clients.streams import Field, torch_generator
from clients.training import Arrays, from_arrays, to_arrays
from clients.unlearning.exact.graph.layers import Messages, Network, messages
from clients.unlearning.exact.graph.spec import GraphEraser
from clients.unlearning.exact.sparse import Sparse


def train(options: GraphEraser, classes: int, graph: Graph, key: tuple[Field, ...]) -> Arrays:
    """Return the weights of a network trained full-batch on a graph's labelled nodes, with messages from the unlabelled ones.

    Initial weights and the dropout of each epoch are keyed, so the result is a function of the graph, the options and the key.
    """
    network = Network(options.network, graph.x.shape[1], options.hidden, classes, key)
    heard, x = messages(len(graph), np.searchsorted(graph.ids, graph.edges)), Sparse(graph.x)
    labelled = torch.tensor(np.flatnonzero(graph.y >= 0))
    y = torch.tensor(graph.y)[labelled]
    keep = 1 - options.dropout
    optimizer = torch.optim.Adam(network.parameters(), lr=options.lr, weight_decay=options.weight_decay, fused=True)
    for epoch in range(options.epochs):
        draw = torch.rand(len(graph), options.hidden, generator=torch_generator(*key, "drop", epoch))
        loss = functional.cross_entropy(network(heard, x, (draw < keep) / keep)[labelled], y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return to_arrays(network)


class Panel:
    """Prediction by the shards' networks on one graph; no weights remain in it between calls."""

    def __init__(self, options: GraphEraser, features: int, classes: int) -> None:
        self.network = Network(options.network, features, options.hidden, classes, ())

    def posteriors(self, experts: list[Arrays], heard: Messages, x: Sparse, wanted: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
        """Return each network's posteriors for the nodes at the wanted positions, float32 (experts, len(wanted), classes)."""
        answers = []
        with torch.no_grad():
            for weights in experts:
                from_arrays(self.network, weights)
                answers.append(torch.softmax(self.network(heard, x), dim=1).numpy()[wanted])
            for tensor in self.network.state_dict().values():
                tensor.zero_()
        return np.stack(answers)

    def shape(self) -> Arrays:
        """Return zeros with the shapes of a network's weights, by name."""
        return {name: np.zeros_like(array) for name, array in to_arrays(self.network).items()}
