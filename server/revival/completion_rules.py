"""The completion rules on stacks of matrices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from server.revival.polar import Roots, Route, spectrum
from server.revival.stack import Stack, Trace


@dataclass(frozen=True)
class _Proposal:
    """One iteration's outcome: the new part, and the singular values of the whole matrices before it, ascending, shape (b, m)."""

    part: Tensor
    singular: Tensor


def published(stack: Stack, limit: int, tolerance: float) -> Trace:
    """Iterate the published rule on whole matrices by SVD; the stack must hold all columns."""
    whole, missing = stack.part, stack.missing
    axis = 2 if stack.transposed else 1  # the rule's columns are those of the matrix before transposition
    seen = (~missing).sum(dim=axis, keepdim=True)
    means = whole.sum(dim=axis, keepdim=True) / seen.clamp_min(1)
    start = torch.where(missing, means, whole)

    def step(current: Tensor) -> _Proposal:
        left, singular, right = torch.linalg.svd(current, full_matrices=False)
        smallest = singular[:, -1:]
        return _Proposal((left * (singular - smallest)[:, None, :]) @ right, singular.flip(1))

    stack.part, trace = _iterate(step, start, missing, limit, tolerance, lag=2, poll=stack.poll)
    return trace


def soft_impute(stack: Stack, share: float, limit: int, tolerance: float) -> Trace:
    """Iterate soft-impute with the threshold fixed at the start."""
    threshold: Tensor | None = None

    def step(current: Tensor) -> _Proposal:
        nonlocal threshold
        singular, vectors = spectrum(stack.gram(current))
        if threshold is None:
            threshold = share * singular[:, -1:]
        shrink = (singular - threshold).clamp_min(0) / singular.clamp_min(torch.finfo(current.dtype).tiny)
        if len(current) == 1 and not current.is_cuda:  # most directions shrink to zero; counting them needs no synchronisation on a CPU
            kept = int((shrink > 0).sum())
            vectors, shrink = vectors[..., -kept:], shrink[..., -kept:]
        return _Proposal(((vectors * shrink[:, None, :]) @ vectors.mT) @ current, singular)

    stack.part, trace = _iterate(step, stack.part, stack.missing, limit, tolerance, lag=1, poll=stack.poll)
    return trace


def polar_momentum(stack: Stack, steps: int, momentum: float, rate: float, decay: float, route: Route) -> Trace:
    """Minimise the nuclear norm over the missing entries by gradient descent with momentum."""
    roots = Roots(stack, route)
    current, speed = stack.part, torch.zeros_like(stack.part)
    changes, nuclear = [], []
    for i in range(steps):
        gram = stack.gram(current)
        root, largest = roots(gram)
        slope = (root @ current).mul_(stack.missing)
        speed = speed * momentum - slope * (rate * decay**i * largest)[:, None, None]
        current = current + speed
        changes.append(torch.linalg.matrix_norm(speed) / _frobenius(gram))
        nuclear.append(_trace_of_product(root, gram))
    stack.part = current
    return _fixed_trace(changes, nuclear, gram)


def polar_once(stack: Stack, route: Route) -> Trace:
    """Take one step from zero along the polar factor, scaled by the mean singular value."""
    gram = stack.gram(stack.part)
    root, _ = Roots(stack, route)(gram)
    nuclear = _trace_of_product(root, gram)
    step = (root @ stack.part).mul_(stack.missing) * (nuclear / gram.shape[-1])[:, None, None]
    stack.part = stack.part - step
    return _fixed_trace([torch.linalg.matrix_norm(step) / _frobenius(gram)], [nuclear], gram)


def _iterate(
    step: Callable[[Tensor], _Proposal], start: Tensor, missing: Tensor, limit: int, tolerance: float, lag: int, poll: int
) -> tuple[Tensor, Trace]:
    """Repeat ``step`` until each item's relative change to the iterate ``lag`` steps back is below the tolerance.

    A stopped item keeps its values while the others continue.
    """
    count = len(start)
    active = torch.ones(count, dtype=torch.bool, device=start.device)
    iterations = torch.zeros(count, dtype=torch.int64, device=start.device)
    vanished, rank = torch.zeros_like(active), torch.full((count,), torch.nan, dtype=start.dtype, device=start.device)
    changes, nuclear = [], []
    current, before, before_norm = start, start, torch.zeros_like(rank)
    for i in range(limit):
        proposal = step(current)
        new = torch.where(missing & active[:, None, None], proposal.part, current)
        norm, total = torch.linalg.vector_norm(proposal.singular, dim=1), proposal.singular.sum(dim=1)
        against, against_norm = (current, norm) if lag == 1 or i == 0 else (before, before_norm)
        change = torch.linalg.matrix_norm(new - against) / against_norm.clamp_min(torch.finfo(start.dtype).tiny)
        iterations += active
        changes.append(torch.where(active, change, torch.nan))
        nuclear.append(torch.where(active, total, torch.nan))
        vanished = torch.where(active, _steep(new - current, missing, proposal.singular[:, 0]), vanished)
        rank = torch.where(active, total**2 / norm**2, rank)
        if i >= lag - 1:
            active = active & ~(change < tolerance)
        before, before_norm, current = current, norm, new
        if (i + 1) % poll == 0 and not bool(active.any()):
            break
    vanished &= lag == 2  # only the published step shrinks with the smallest singular value
    return current, Trace(torch.stack(changes), torch.stack(nuclear), iterations, ~active, vanished, rank)


def _steep(move: Tensor, missing: Tensor, step: Tensor) -> Tensor:
    """Return, shape (b,), whether the gradient is still large, so that a small change is due to a small step.

    Large means more than a tenth of the norm that typical entries of the polar factor would have.
    """
    count = missing.sum(dim=(1, 2)).clamp_min(1)
    typical = (count / max(missing.shape[1:])).sqrt()
    steep: Tensor = torch.linalg.matrix_norm(move) > 0.1 * step * typical
    return steep


def _fixed_trace(changes: list[Tensor], nuclear: list[Tensor], gram: Tensor) -> Trace:
    """Return the trace of a rule that takes a fixed number of steps."""
    count = gram.shape[0]
    none = torch.zeros(count, dtype=torch.bool, device=gram.device)
    iterations = torch.full((count,), len(changes), device=gram.device)
    return Trace(torch.stack(changes), torch.stack(nuclear), iterations, none, none, nuclear[-1] ** 2 / _frobenius(gram) ** 2)


def _frobenius(gram: Tensor) -> Tensor:
    """Return the Frobenius norms, shape (b,), of the matrices with these Gram matrices."""
    return gram.diagonal(dim1=1, dim2=2).sum(dim=1).sqrt()


def _trace_of_product(a: Tensor, b: Tensor) -> Tensor:
    return (a * b.mT).sum(dim=(1, 2))
