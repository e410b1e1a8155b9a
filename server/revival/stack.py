"""A stack of equally shaped matrices under completion: what is known of them, and the part that moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from server.revival.arithmetic import Arithmetic
from server.revival.completion import Completion, CompletionSpec, Stopped

_STACK_BYTES = 2 << 30
"""How many bytes of matrices go into one stack on a GPU."""


@dataclass
class Stack:
    """Matrices ``(b, m, n)`` with ``m <= n``, of which only the columns with a missing entry are kept apart.

    Parameters
    ----------
    part : float tensor, shape (b, m, c)
        The columns that hold missing entries (and as many others as the fullest item needs), zero where missing.
    missing : bool tensor, shape (b, m, c)
    fixed_gram : float tensor, shape (b, m, m)
        ``A A'`` of the columns left out. They never change, and enter every rule through this only.
    columns : int64 tensor, shape (b, c)
    width : int
        All columns, n.
    transposed : bool
        Whether the matrices were turned to get ``m <= n``.
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
        """Iterations between two looks at the stop flags: looking makes a GPU wait, as its decompositions do; polar rules never look."""
        return 16 if self.part.is_cuda else 1


@dataclass(frozen=True)
class Trace:
    """What happened to each matrix of a stack; tensors on the stack's device.

    ``changes`` and ``nuclear`` are ``(iterations, b)``, NaN once a matrix has stopped; the others are ``(b,)``.
    """

    changes: Tensor
    nuclear: Tensor
    iterations: Tensor
    converged: Tensor
    vanished: Tensor
    effective_rank: Tensor

    def on_host(self) -> Trace:
        """Return the trace in main memory, so that reading it makes no device wait."""
        return Trace(*(getattr(self, one.name).cpu() for one in fields(self)))


def groups(weights: Mapping[str, Tensor], missing: Mapping[str, Tensor], device: torch.device) -> list[list[str]]:
    """Return layer names grouped for solving: one by one on a CPU, equal shapes together on a GPU."""
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
    """Return the stack of equally shaped matrices in the arithmetic's type, on its device; ``whole`` keeps every column in its place."""
    device, dtype = arithmetic.place(), arithmetic.dtype
    mask = torch.stack(list(missing))
    full = torch.stack([w.to(device=device, dtype=dtype) for w in weights])
    transposed = full.shape[1] > full.shape[2]
    if transposed:
        full, mask = full.mT.contiguous(), mask.mT.contiguous()
    touched = torch.ones_like(mask[:, 0]) if whole else mask.any(dim=1)
    count = int(touched.sum(dim=1).max())  # counted where the masks are, which is mostly not on the device
    order = torch.argsort((~touched).int(), dim=1, stable=True)
    columns, rest, mask = order[:, :count].to(device), order[:, count:].to(device), mask.to(device)
    full.masked_fill_(mask, 0.0)
    fixed = _columns(full, rest)
    return Stack(
        _columns(full, columns), _columns(mask, columns), torch.bmm(fixed, fixed.mT), columns, full.shape[2], transposed
    )


def _columns(full: Tensor, columns: Tensor) -> Tensor:
    return full.gather(2, columns[:, None, :].expand(-1, full.shape[1], -1))


def solve_group(
    names: Sequence[str], weights: Mapping[str, Tensor], missing: Mapping[str, Tensor], rule: CompletionSpec, arithmetic: Arithmetic
) -> list[Completion]:
    """Return the completions of one group of equally shaped layers, on the devices their weights came from."""
    if not any(bool(missing[name].any()) for name in names):
        return [_untouched(weights[name], missing[name], arithmetic) for name in names]
    stack = make_stack([weights[n] for n in names], [missing[n] for n in names], arithmetic, rule.whole)
    trace = rule.solve(stack).on_host()
    full = stack.part.new_zeros(len(names), stack.part.shape[1], stack.width)
    full.scatter_(2, stack.columns[:, None, :].expand_as(stack.part), stack.part)
    guesses = (full.mT if stack.transposed else full).cpu()
    return [_assemble(i, weights[name], missing[name], guesses[i], trace) for i, name in enumerate(names)]


def _untouched(weight: Tensor, mask: Tensor, arithmetic: Arithmetic) -> Completion:
    dtype = torch.promote_types(weight.dtype, arithmetic.dtype)
    return Completion(weight.to(dtype), mask, 0, (), (), float("nan"), "nothing missing")


def _assemble(i: int, weight: Tensor, mask: Tensor, guess: Tensor, trace: Trace) -> Completion:
    """Put the guesses beside the observed entries, which keep their bits."""
    if not bool(mask.any()):
        return Completion(weight.to(torch.promote_types(weight.dtype, guess.dtype)), mask, 0, (), (), float("nan"), "nothing missing")
    hopeless = mask.all(dim=0, keepdim=True) | mask.all(dim=1, keepdim=True)  # nothing observed to guess from
    dtype = torch.promote_types(weight.dtype, guess.dtype)
    values = torch.where(mask, guess.to(device=weight.device, dtype=dtype).masked_fill(hopeless, 0.0), weight.to(dtype))
    count = int(trace.iterations[i])
    stopped: Stopped = "limit"
    if bool(trace.converged[i]):
        stopped = "vanishing step" if bool(trace.vanished[i]) else "tolerance"
    changes, nuclear = trace.changes[:count, i].tolist(), trace.nuclear[:count, i].tolist()
    return Completion(values, mask, count, tuple(changes), tuple(nuclear), float(trace.effective_rank[i]), stopped)
