"""Graph neural networks on our own sparse message passing: GCN, GraphSAGE and GAT, two layers each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional

from clients.data.label_propagation import adjacency
from clients.streams import Field, torch_generator
from clients.unlearning.exact.sparse import Sparse

Architecture = Literal["gcn", "sage", "gat"]


@dataclass(frozen=True)
class Messages:
    """The message-passing structure of ``n`` nodes.

    ``normal`` is ``D^-1/2 (A + I) D^-1/2`` (GCN), ``mean`` is ``D^-1 A`` (GraphSAGE). ``source`` and ``target`` are int64 positions of
    the ends of each edge, self-loops included, sorted by target (GAT).
    """

    n: int
    normal: Sparse
    mean: Sparse
    source: Tensor
    target: Tensor


def messages(n: int, pairs: npt.NDArray[np.int64]) -> Messages:
    """Return the message-passing structure of ``n`` nodes with undirected edges, given as pairs of positions, shape (m, 2)."""
    a = adjacency(n, pairs)
    loops = sp.csr_matrix(a + sp.eye_array(n, dtype=np.float32))
    loops.sort_indices()
    degree = np.asarray(a.sum(axis=1), dtype=np.float32).ravel()
    root = sp.diags_array((degree + 1) ** np.float32(-0.5))
    share = sp.diags_array(1 / np.maximum(degree, np.float32(1)))
    target = np.repeat(np.arange(n), np.diff(loops.indptr))
    source = torch.tensor(loops.indices.astype(np.int64))
    return Messages(n, Sparse(root @ loops @ root), Sparse(share @ a), source, torch.tensor(target))


class Network(nn.Module):
    """Two graph layers with ReLU (ELU for GAT) and dropout between.

    Parameters
    ----------
    architecture : {"gcn", "sage", "gat"}
        Kipf and Welling 2017; Hamilton et al. 2017 (mean aggregation); Velickovic et al. 2018 (single-head output).
    features, hidden, classes : int
        Widths; GAT divides ``hidden`` among 4 heads.
    key : tuple
        Key of the initial weights.
    """

    def __init__(self, architecture: Architecture, features: int, hidden: int, classes: int, key: tuple[Field, ...]) -> None:
        super().__init__()
        self.architecture = architecture
        generator = torch_generator(*key, "init")
        layer = {"gcn": Gcn, "sage": Sage, "gat": Gat}[architecture]
        heads = {"heads": 4} if architecture == "gat" else {}
        self.first = layer(features, hidden, generator, **heads)
        self.second = layer(hidden, classes, generator)

    def hidden(self, graph: Messages, x: Sparse) -> Tensor:
        """Return the first layer's output, float32 (n, hidden)."""
        out: Tensor = self.first(graph, x)
        return functional.elu(out) if self.architecture == "gat" else functional.relu(out)

    def forward(self, graph: Messages, x: Sparse, mask: Tensor | None = None) -> Tensor:
        """Return logits, float32 (n, classes); ``mask`` (n, hidden) multiplies the hidden layer (dropout)."""
        hidden = self.hidden(graph, x)
        out: Tensor = self.second(graph, hidden if mask is None else hidden * mask)
        return out


def _glorot(rows: int, columns: int, generator: torch.Generator) -> nn.Parameter:
    bound = (6 / (rows + columns)) ** 0.5
    return nn.Parameter((torch.rand(rows, columns, generator=generator) * 2 - 1) * bound)


class Gcn(nn.Module):
    """``A_hat (X W) + b``."""

    def __init__(self, inputs: int, outputs: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = _glorot(inputs, outputs, generator)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, graph: Messages, x: Sparse | Tensor) -> Tensor:
        """Return float32 (n, outputs)."""
        return graph.normal @ (x @ self.weight) + self.bias


class Sage(nn.Module):
    """``X W_self + mean over neighbours (X W_neighbour) + b``."""

    def __init__(self, inputs: int, outputs: int, generator: torch.Generator) -> None:
        super().__init__()
        self.own = _glorot(inputs, outputs, generator)
        self.neighbour = _glorot(inputs, outputs, generator)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, graph: Messages, x: Sparse | Tensor) -> Tensor:
        """Return float32 (n, outputs)."""
        return x @ self.own + graph.mean @ (x @ self.neighbour) + self.bias


class Gat(nn.Module):
    """Additive attention over neighbours and self, heads concatenated."""

    def __init__(self, inputs: int, outputs: int, generator: torch.Generator, heads: int = 1) -> None:
        super().__init__()
        self.heads = heads
        self.weight = _glorot(inputs, outputs, generator)
        self.attend_source = _glorot(heads, outputs // heads, generator)
        self.attend_target = _glorot(heads, outputs // heads, generator)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, graph: Messages, x: Sparse | Tensor) -> Tensor:
        """Return float32 (n, outputs)."""
        values = (x @ self.weight).reshape(graph.n, self.heads, -1)
        given, taken = (values * self.attend_source).sum(-1), (values * self.attend_target).sum(-1)
        score = functional.leaky_relu(given[graph.source] + taken[graph.target], 0.2)
        index = graph.target[:, None].expand_as(score)
        top = torch.full((graph.n, self.heads), -torch.inf).scatter_reduce(0, index, score.detach(), "amax")
        weight = torch.exp(score - top[graph.target])
        total = torch.zeros(graph.n, self.heads).index_add(0, graph.target, weight)
        share = (weight / total[graph.target])[:, :, None] * values[graph.source]
        return torch.zeros_like(values).index_add(0, graph.target, share).reshape(graph.n, -1) + self.bias
