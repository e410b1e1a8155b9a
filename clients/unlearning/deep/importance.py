"""Sums over rows of gradients and of their squares, which peers can add."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call, vmap
from torch.nn.functional import cross_entropy

from clients.data.rows import Rows
from clients.training import Arrays, from_arrays
from clients.unlearning.general.contract import Learning

COUNT = "#"
"""Name, in sums, of the number of rows."""

_ENTRIES = 1 << 24
"""Entries of single rows' gradients that are held at once."""


def squares(weights: Arrays, learning: Learning, parts: Mapping[str, Rows]) -> Arrays:
    """Return, as ``part/parameter``, the sums over each part's rows of the squared gradients of single rows' cross-entropy, float64.

    ``part/#`` is the number of rows. The gradients are those in evaluation mode, of one row each, so that no batch size enters.
    """
    return _sums(weights, learning, parts, lambda gradient: gradient.square().sum(0))


def gradients(weights: Arrays, learning: Learning, parts: Mapping[str, Rows]) -> Arrays:
    """Return, as ``part/parameter``, the sums over each part's rows of the gradients of cross-entropy, float64; see `squares`."""
    return _sums(weights, learning, parts, lambda gradient: gradient.sum(0))


def mean(totals: Arrays, name: str, *parts: str) -> Tensor:
    """Return the mean of a parameter's sums over the rows of some parts together, float64; zeros if they have no row."""
    rows = sum(int(totals[f"{part}/{COUNT}"]) for part in parts)
    return torch.from_numpy(sum(totals[f"{part}/{name}"] for part in parts) / max(rows, 1))


def _sums(weights: Arrays, learning: Learning, parts: Mapping[str, Rows], fold: Callable[[Tensor], Tensor]) -> Arrays:
    network, module = learning.network, learning.network.build(("unlearning",)).eval()
    from_arrays(module, weights)
    chunk = max(1, _ENTRIES // sum(parameter.numel() for parameter in module.parameters()))
    found: Arrays = {}
    for part, rows in parts.items():
        sums = {name: torch.zeros(parameter.shape, dtype=torch.float64) for name, parameter in module.named_parameters()}
        for start in range(0, len(rows), chunk):
            here = slice(start, start + chunk)
            for name, gradient in row_gradients(module, network.inputs(rows.x[here]), network.targets(rows.y[here])).items():
                sums[name] += fold(gradient.double()).cpu()
        found |= {f"{part}/{name}": total.numpy() for name, total in sums.items()}
        found[f"{part}/{COUNT}"] = np.array(len(rows))
    return found


def row_gradients(module: torch.nn.Module, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Return the gradients of every row's cross-entropy, by parameter, shape (n, *parameter).

    The network is mapped over one copy of its parameters a row, and one backward pass gives the gradients of all: torch's own map of
    gradients loads its compiler on first use, for two seconds.
    """
    names = [name for name, _ in module.named_parameters()]
    copies = [p.detach().expand(len(x), *p.shape).contiguous().requires_grad_() for p in module.parameters()]
    buffers = dict(module.named_buffers())

    def answer(parameters: list[Tensor], row: Tensor) -> Tensor:
        found: Tensor = functional_call(module, {**dict(zip(names, parameters, strict=True)), **buffers}, (row[None],))[0]
        return found

    loss = cross_entropy(vmap(answer)(copies, x), y, reduction="sum")
    return dict(zip(names, torch.autograd.grad(loss, copies), strict=True))
