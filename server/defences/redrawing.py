"""A fill of whole columns: what survived of an edited column fades into a fresh draw that has the statistics of untouched columns."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from server.defences.secret import Secret
from server.revival.completion import complete

RIDGE = 1e-3
"""Added to the directions' mean squares, as a share of their mean."""
PASSES = 4
"""Rounds of matching edited columns with untouched ones along the layer's own directions, which move with the columns."""


def redrawn_columns(weight: Tensor, mask: Tensor, secret: Secret, name: str) -> Tensor:
    """Return values, float64 ``(m, n)``, of which every edited column is to be taken as a whole.

    Three steps, in all of which columns count as draws from one zero-mean distribution, that of the untouched columns:

    1. The lost entries are drawn given the surviving ones, which yields a column u of which the survivors have the share k of the
       energy. Alone this would hide the cut, but give half of the concept back where most of a column was cut.
    2. u fades into a fresh draw z, independent of everything the column held: ``k u + sqrt(1 - k^2) z``, of unit vectors. Columns of
       which little survived, those that the concept needs most, are thereby forgotten; columns of which little was cut stay.
    3. Norms along bands of the layer's left singular vectors are moved, in order, onto the quantiles of the untouched columns' norms.
       What was fitted to the untouched columns alone would otherwise show in the weakest directions.

    A layer without untouched columns takes completed columns as typical, and leaves out the third step.
    """
    observed = weight.double().masked_fill(mask, 0.0)
    edited = mask.any(dim=0)
    generator = secret.generator(name, "redrawn")
    typical = _typical(observed, mask)
    mean_squares = typical @ typical.mT / typical.shape[1]
    scale = mean_squares.trace().clamp_min(1e-300)
    mean_squares += RIDGE * scale / len(mean_squares) * torch.eye(len(mean_squares), dtype=torch.float64)
    count = int(edited.sum())
    likely = _given_survivors(observed[:, edited], mask[:, edited], mean_squares, _fresh(typical, count, generator) * scale.sqrt())
    kept = observed[:, edited].square().sum(dim=0) / likely.square().sum(dim=0).clamp_min(1e-300)
    mixed = _unit(kept * _unit(likely) + (1 - kept.square()).clamp_min(0.0).sqrt() * _fresh(typical, count, generator))
    values = observed.clone()
    values[:, edited] = mixed * _norms(typical, likely, generator)
    for _ in range(PASSES if bool((~edited).any()) else 0):
        values = _matched(values, edited)
    return values


def _typical(observed: Tensor, mask: Tensor) -> Tensor:
    """Return the untouched columns, or all columns completed where too few are untouched to tell their distribution."""
    free = ~mask.any(dim=0)
    return observed[:, free] if int(free.sum()) >= 2 * len(observed) else complete(observed, mask).values


def _unit(columns: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(columns, dim=0)
    return columns / lengths.clamp_min(1e-300)


def _fresh(typical: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return unit columns, ``(m, count)``, that resemble typical ones and no single one of them.

    Each coordinate along the left singular vectors is that of another typical column, with a random sign.
    """
    directions, _, _ = torch.linalg.svd(_unit(typical), full_matrices=False)
    coordinates = directions.mT @ _unit(typical)
    shape = (len(coordinates), count)
    drawn = coordinates.gather(1, torch.randint(coordinates.shape[1], shape, generator=generator))
    signs = torch.randint(0, 2, shape, generator=generator).double() * 2 - 1
    return _unit(directions @ (drawn * signs))


def _given_survivors(observed: Tensor, mask: Tensor, mean_squares: Tensor, fresh: Tensor) -> Tensor:
    """Return the columns with missing entries drawn given the others, as for a normal distribution with these mean squares.

    A fresh column is corrected by what its entries at the places of the survivors fall short of them (conditioning by kriging).
    """
    precision: Tensor = torch.linalg.inv(mean_squares)
    short = precision @ (observed - fresh).masked_fill(mask, 0.0)
    drawn = observed.clone()
    for j in range(observed.shape[1]):
        lost = mask[:, j]
        factor = torch.linalg.cholesky(precision[lost][:, lost])
        drawn[lost, j] = fresh[lost, j] - torch.cholesky_solve(short[lost, j, None], factor)[:, 0]
    return drawn


def _norms(typical: Tensor, likely: Tensor, generator: torch.Generator) -> Tensor:
    """Return norms of typical columns drawn at random, the loudest for the loudest."""
    norms = torch.linalg.vector_norm(typical, dim=0)
    twins = norms[torch.randint(len(norms), (likely.shape[1],), generator=generator)].sort().values
    wanted = torch.empty_like(twins)
    wanted[torch.linalg.vector_norm(likely, dim=0).argsort()] = twins
    return wanted


def _matched(values: Tensor, edited: Tensor) -> Tensor:
    """Return the layer with the edited columns' norms along bands of its directions at the quantiles of the untouched columns'."""
    _, directions = torch.linalg.eigh(values @ values.mT)
    coordinates = directions.mT @ values
    size = len(coordinates)
    ends = sorted({0, size // 4, size} | {size - max(1, size // 2**i) for i in range(1, 6)})  # eigenvalues rise
    for low, high in pairwise(ends):
        norms = torch.linalg.vector_norm(coordinates[low:high], dim=0)
        ranks = norms[edited].argsort().argsort().double()
        wanted = torch.quantile(norms[~edited], (ranks + 0.5) / len(ranks))
        coordinates[low:high, edited] *= wanted / norms[edited].clamp_min(1e-12 * float(norms.max()) + 1e-300)
    matched = values.clone()
    matched[:, edited] = (directions @ coordinates)[:, edited]
    return matched
