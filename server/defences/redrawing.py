"""A fill of whole columns: each edited column is mixed with a fresh draw that has the statistics of untouched columns."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from server.defences.secret import Secret
from server.revival.completion import complete

RIDGE = 1e-3
"""Regularisation added to the eigenvalues of the mean-square matrix, as a share of their mean."""
PASSES = 4
"""Passes of matching edited to untouched columns along the layer's singular vectors, which change with the columns."""


def redrawn_columns(weight: Tensor, mask: Tensor, secret: Secret, name: str) -> Tensor:
    """Return float64 values ``(m, n)``, of which every edited column replaces the old one as a whole.

    There are three steps. All of them treat columns as draws from one zero-mean distribution, that of the untouched columns:

    1. The lost entries are drawn given the surviving ones, which yields a column u in which the survivors have the share k of the
       energy. This alone would hide the cut, but would restore half of the concept where most of a column was cut.
    2. u is mixed with a fresh draw z that is independent of the column: ``k u + sqrt(1 - k^2) z``, of unit vectors. Columns of which
       little survived, which the concept needs most, are thereby forgotten; columns of which little was cut are kept.
    3. Norms along bands of the layer's left singular vectors are mapped, in order, to the quantiles of the untouched columns' norms.
       Otherwise, values fitted to the untouched columns alone would be detectable in the weakest directions.

    In a layer without untouched columns, completed columns serve as typical ones, and the third step is left out.
    """
    observed = weight.double().masked_fill(mask, 0.0)
    edited = mask.any(dim=0)
    generator = secret.generator(name, "redrawn")
    typical = _typical(observed, mask)
    mean_squares = typical @ typical.mT / typical.shape[1]
    scale = mean_squares.trace().clamp_min(1e-300)
    mean_squares += RIDGE * scale / len(mean_squares) * torch.eye(len(mean_squares), dtype=torch.float64)
    directions = torch.linalg.svd(_unit(typical), full_matrices=False).U
    first, second = (_fresh(typical, directions, int(edited.sum()), generator) for _ in range(2))
    likely = _given_survivors(observed[:, edited], mask[:, edited], mean_squares, first * scale.sqrt())
    kept = observed[:, edited].square().sum(dim=0) / likely.square().sum(dim=0).clamp_min(1e-300)
    mixed = _unit(kept * _unit(likely) + (1 - kept.square()).clamp_min(0.0).sqrt() * second)
    values = observed.clone()
    values[:, edited] = mixed * _norms(typical, likely, generator)
    for _ in range(PASSES if bool((~edited).any()) else 0):
        values = _matched(values, edited)
    return values


def _typical(observed: Tensor, mask: Tensor) -> Tensor:
    """Return the untouched columns, or, if they are too few to estimate their distribution, all columns of which something survived."""
    free = ~mask.any(dim=0)
    return observed[:, free] if int(free.sum()) >= 2 * len(observed) else complete(observed, mask).values[:, ~mask.all(dim=0)]


def _unit(columns: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(columns, dim=0)
    return columns / lengths.clamp_min(1e-300)


def _fresh(typical: Tensor, directions: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return unit columns, ``(m, count)``, that resemble the typical ones but none of them in particular.

    Each coordinate along their left singular vectors, ``directions``, is taken from a randomly drawn typical column, with a random sign.
    """
    coordinates = directions.mT @ _unit(typical)
    shape = (len(coordinates), count)
    drawn = coordinates.gather(1, torch.randint(coordinates.shape[1], shape, generator=generator))
    signs = torch.randint(0, 2, shape, generator=generator).double() * 2 - 1
    return _unit(directions @ (drawn * signs))


def _given_survivors(observed: Tensor, mask: Tensor, mean_squares: Tensor, fresh: Tensor) -> Tensor:
    """Return the columns with missing entries drawn given the others, from a zero-mean normal distribution with these mean squares.

    A fresh column is corrected by the difference between the survivors and its own entries there (conditioning by kriging).
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
    """Return norms of typical columns drawn at random, the largest for the column of the largest norm."""
    norms = torch.linalg.vector_norm(typical, dim=0)
    twins = norms[torch.randint(len(norms), (likely.shape[1],), generator=generator)].sort().values
    wanted = torch.empty_like(twins)
    wanted[torch.linalg.vector_norm(likely, dim=0).argsort()] = twins
    return wanted


def _matched(values: Tensor, edited: Tensor) -> Tensor:
    """Return the layer with the edited columns' norms along bands of its singular vectors mapped to the untouched columns' quantiles."""
    _, directions = torch.linalg.eigh(values @ values.mT)
    coordinates = directions.mT @ values
    size = len(coordinates)
    ends = sorted({0, size // 4, size} | {size - max(1, size // 2**i) for i in range(1, 6)})  # eigenvalues ascend
    for low, high in pairwise(ends):
        norms = torch.linalg.vector_norm(coordinates[low:high], dim=0)
        ranks = norms[edited].argsort().argsort().double()
        wanted = torch.quantile(norms[~edited], (ranks + 0.5) / len(ranks))
        coordinates[low:high, edited] *= wanted / norms[edited].clamp_min(1e-12 * float(norms.max()) + 1e-300)
    matched = values.clone()
    matched[:, edited] = (directions @ coordinates)[:, edited]
    return matched
