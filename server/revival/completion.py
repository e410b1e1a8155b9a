"""Completion of a matrix from the entries that pruning left, by minimising the nuclear norm.

The attack uses the signs of the guesses, and their absolute values as confidence. Source of the published rule: "Roots Beneath the
Cut", Zhang et al., CVPR 2026 (arXiv 2603.06640), as implemented in its released code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from server.revival.arithmetic import Arithmetic
from server.revival.completion_specs import CompletionSpec, usual
from server.revival.stack import Completion, Stopped, Trace, groups, make_stack

if TYPE_CHECKING:
    from torch import Tensor


def complete(weights: Tensor, missing: Tensor, rule: CompletionSpec | None = None, arithmetic: Arithmetic | None = None) -> Completion:
    """Return the completion of one matrix.

    Parameters
    ----------
    weights : float tensor, shape (m, n)
        Values of missing entries are not read.
    missing : bool tensor, shape (m, n)
    rule : CompletionSpec, optional
        Default: that of the device; see `usual`.
    arithmetic : Arithmetic, optional
        Default: float64, on the device of the weights.

    Raises
    ------
    ValueError
        If the shapes differ, or an observed entry is not finite.
    """
    return complete_layers({"matrix": weights}, {"matrix": missing}, rule, arithmetic)["matrix"]


def complete_layers(
    weights: Mapping[str, Tensor],
    missing: Mapping[str, Tensor],
    rule: CompletionSpec | None = None,
    arithmetic: Arithmetic | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Completion]:
    """Return the completion of every layer in ``missing``, by name.

    On CUDA, layers of equal shape are solved as one stack, in which each matrix stops on its own; on a CPU they are solved one by one.
    ``progress`` is called with the number of completed layers and of all layers. Rule and arithmetic are as in `complete`.
    """
    if arithmetic is None:
        arithmetic = Arithmetic(device="cuda" if any(weights[name].is_cuda for name in missing if name in weights) else "cpu")
    rule = rule or usual(arithmetic)
    rule.check(arithmetic)
    results: dict[str, Completion] = {}
    with arithmetic.active():
        for names in groups(weights, missing, arithmetic.place()):
            results |= zip(names, solve_group(names, weights, missing, rule, arithmetic), strict=True)
            if progress is not None:
                progress(len(results), len(missing))
    return {name: results[name] for name in missing}


def solve_group(
    names: Sequence[str], weights: Mapping[str, Tensor], missing: Mapping[str, Tensor], rule: CompletionSpec, arithmetic: Arithmetic
) -> list[Completion]:
    """Return the completions of one group of equally shaped layers, on the devices of their weights."""
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
    """Combine the guesses with the observed entries, which stay bit-identical."""
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
