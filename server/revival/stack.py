"""A stack of equally shaped matrices under completion: its observed entries, and the part that changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import Tensor

from server.revival.arithmetic import Arithmetic

_STACK_BYTES = 2 << 30
"""Largest size in bytes of one stack on a GPU."""


@dataclass
class Stack:
    """Matrices ``(b, m, n)`` with ``m <= n``, of which only the columns with a missing entry are stored.

    Parameters
    ----------
    part : float tensor, shape (b, m, c)
        The columns that hold missing entries (and as many others as the fullest item needs), zero where missing.
    missing : bool tensor, shape (b, m, c)
    fixed_gram : float tensor, shape (b, m, m)
        ``A A'`` of the other columns. They never change, and enter every rule through this matrix only.
    columns : int64 tensor, shape (b, c)
        Indices of the columns in ``part``.
    width : int
        Number of all columns, n.
    transposed : bool
        Whether the matrices were transposed to get ``m <= n``.
    """

    part: Tensor
    missing: Tensor
    fixed_gram: Tensor
    columns: Tensor
    width: int
    transposed: bool

    def gram(self, part: Tensor) -> Tensor:
        """Return ``Z Z'`` of the whole matrices, shape (b, m, m)."""
        return torch.baddbmm(self.fixed_gram, part, part.mT)

    @property
    def poll(self) -> int:
        """Iterations between two checks of the stop flags: a check synchronises the GPU, as its decompositions do."""
        return 16 if self.part.is_cuda else 1


@dataclass(frozen=True)
class Trace:
    """The course of each matrix of a stack; tensors on the stack's device.

    ``changes`` and ``nuclear`` are ``(iterations, b)``, NaN once a matrix has stopped; the others are ``(b,)``.
    """

    changes: Tensor
    nuclear: Tensor
    iterations: Tensor
    converged: Tensor
    vanished: Tensor
    effective_rank: Tensor

    def on_host(self) -> Trace:
        """Return the trace in main memory, so that reading it does not synchronise the device."""
        return Trace(*(getattr(self, one.name).cpu() for one in fields(self)))


def groups(weights: Mapping[str, Tensor], missing: Mapping[str, Tensor], device: torch.device) -> list[list[str]]:
    """Return layer names grouped for solving: one by one on a CPU, equal shapes together on a GPU.

    Raises
    ------
    ValueError
        If a mask fits no weight of that name and shape, or an observed weight is not finite.
    """
    for name, mask in missing.items():
        if name not in weights:
            raise ValueError(f"layer {name}: missing entries given, but no weights; known are {sorted(weights)}")
        if mask.shape != weights[name].shape or mask.ndim != 2 or mask.dtype != torch.bool:
            raise ValueError(f"layer {name}: wants a bool mask of shape {tuple(weights[name].shape)}, got {mask.dtype} {tuple(mask.shape)}")
        if not bool(torch.isfinite(weights[name][~mask]).all()):
            raise ValueError(f"layer {name}: an observed weight is not finite; mark it as missing or repair the file")
    if device.type == "cpu":
        return [[name] for name in missing]
    by_shape: dict[tuple[int, ...], list[str]] = {}
    for name, mask in missing.items():
        by_shape.setdefault(tuple(mask.shape), []).append(name)
    result = []
    for shape, names in by_shape.items():
        most = max(1, _STACK_BYTES // (8 * shape[0] * shape[1]))
        result += [names[i : i + most] for i in range(0, len(names), most)]
    return result


def make_stack(weights: Sequence[Tensor], missing: Sequence[Tensor], arithmetic: Arithmetic, whole: bool = False) -> Stack:
    """Return the stack of equally shaped matrices in the arithmetic's dtype, on its device; ``whole`` stores all columns in order."""
    device, dtype = arithmetic.place(), arithmetic.dtype
    mask = torch.stack(list(missing))
    full = torch.stack([w.to(device=device, dtype=dtype) for w in weights])
    transposed = full.shape[1] > full.shape[2]
    if transposed:
        full, mask = full.mT.contiguous(), mask.mT.contiguous()
    touched = torch.ones_like(mask[:, 0]) if whole else mask.any(dim=1)
    count = int(touched.sum(dim=1).max())  # counted before the transfer, so that the device is not synchronised if the masks are on the CPU
    order = torch.argsort((~touched).int(), dim=1, stable=True)
    columns, rest, mask = order[:, :count].to(device), order[:, count:].to(device), mask.to(device)
    full.masked_fill_(mask, 0.0)
    fixed = _columns(full, rest)
    return Stack(
        _columns(full, columns), _columns(mask, columns), torch.bmm(fixed, fixed.mT), columns, full.shape[2], transposed
    )


def _columns(full: Tensor, columns: Tensor) -> Tensor:
    return full.gather(2, columns[:, None, :].expand(-1, full.shape[1], -1))


Stopped = Literal["tolerance", "limit", "vanishing step", "nothing missing"]


@dataclass(frozen=True)
class Completion:
    """A completed matrix and the course of its completion.

    Parameters
    ----------
    values : float tensor, shape (m, n)
        Observed entries bit-identical to the input; guesses elsewhere. The dtype is the promotion of the input's and the computation's.
    missing : bool tensor, shape (m, n)
    iterations : int
    changes : tuple of float
        Relative Frobenius change of each iteration, as used by the stop test.
    nuclear : tuple of float
        Nuclear norm before each iteration.
    effective_rank : float
        Squared nuclear norm over squared Frobenius norm at the last iteration, in [1, ``min(m, n)``].
    stopped : str
        Why the iteration ended.
    """

    values: Tensor
    missing: Tensor
    iterations: int
    changes: tuple[float, ...]
    nuclear: tuple[float, ...]
    effective_rank: float
    stopped: Stopped

    @property
    def confidence(self) -> Tensor:
        """Absolute value of each guess; 0 for observed entries and where nothing could be guessed."""
        return self.values.abs() * self.missing
