"""Derivatives of single rows: of each row's cross-entropy, and of each row's outputs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call, vmap
from torch.nn.functional import cross_entropy

from clients.passes import taken


def row_gradients(module: torch.nn.Module, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Return the gradients of every row's cross-entropy, by parameter, shape (n, *parameter).

    The network is mapped over one copy of its parameters a row, and one backward pass gives the gradients of all: torch's own map of
    gradients loads its compiler on first use, for two seconds.
    """
    taken(len(x))
    logits, copies = _copied(module, x)
    names = [name for name, _ in module.named_parameters()]
    return dict(zip(names, torch.autograd.grad(cross_entropy(logits, y, reduction="sum"), copies), strict=True))


def row_slopes(module: torch.nn.Module, x: Tensor) -> Tensor:
    """Return the derivatives of every row's every output by the parameters, float64 (rows x outputs, parameters), row by row."""
    logits, copies = _copied(module, x)
    taken(logits.numel())
    outputs = [torch.autograd.grad(logits[:, one].sum(), copies, retain_graph=True) for one in range(logits.shape[1])]
    flat = [torch.cat([part.flatten(1) for part in parts], 1) for parts in outputs]
    return torch.stack(flat, 1).flatten(0, 1).double().cpu()


def _copied(module: torch.nn.Module, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Return the logits (n, classes), each row's by a copy of the parameters of its own, and the copies, each (n, *parameter)."""
    names = [name for name, _ in module.named_parameters()]
    copies = [p.detach().expand(len(x), *p.shape).contiguous().requires_grad_() for p in module.parameters()]
    buffers = dict(module.named_buffers())

    def answer(parameters: list[Tensor], row: Tensor) -> Tensor:
        found: Tensor = functional_call(module, {**dict(zip(names, parameters, strict=True)), **buffers}, (row[None],))[0]
        return found

    logits: Tensor = vmap(answer)(copies, x)
    return logits, copies
