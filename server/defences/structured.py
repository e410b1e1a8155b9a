"""Fills that look at the layer's structure, so that edited columns do not stand out."""

from __future__ import annotations

import torch
from torch import Tensor

from server.defences.filling import normal, spread
from server.defences.secret import Secret
from server.revival.completion import complete
from server.revival.locate import strongest


def column_matched(weight: Tensor, mask: Tensor, secret: Secret, name: str, rank: int, coherence: float, relative: float) -> Tensor:
    """Return values, float64 ``(m, n)``, whose masked parts lie in the layer's leading left space.

    Per column: white noise plus a vector of the leading space restricted to the masked rows, orthogonal to completion's guess there,
    in the proportion that a typical column has between its coherent part and the rest. Norms follow the layer.
    """
    completed = complete(weight.double(), mask).values
    left, singular, right = torch.linalg.svd(completed, full_matrices=False)
    basis = left[:, :rank]
    leading = (basis * singular[:rank]) @ right[:rank]
    guess = completed * mask
    typical = coherence * _coherence(leading, completed)[~mask.any(dim=0)] if bool((~mask.any(dim=0)).any()) else torch.tensor(0.0)
    aim = float(typical.median().clamp(0, 0.95)) if typical.numel() > 1 else 0.5
    coordinates = torch.randn(rank, weight.shape[1], generator=secret.generator(name, "coordinates"), dtype=torch.float64)
    inside = (basis @ (coordinates * singular[:rank, None])) * mask
    against = (inside * guess).sum(dim=0) / guess.square().sum(dim=0).clamp_min(1e-300)
    inside = _unit(inside - guess * against, mask)
    outside = normal(weight, secret, name) * mask
    mixed = _unit(aim * inside + (1 - aim**2) ** 0.5 * _unit(outside, mask), mask)
    return mixed * (relative * spread(weight, mask))


def _coherence(leading: Tensor, whole: Tensor) -> Tensor:
    """Return, per column, the share of its norm that the leading part holds."""
    share: Tensor = torch.linalg.vector_norm(leading, dim=0) / torch.linalg.vector_norm(whole, dim=0).clamp_min(1e-300)
    return share


def _unit(values: Tensor, mask: Tensor) -> Tensor:
    """Return the values scaled so that each column's masked entries have mean square 1."""
    count = mask.sum(dim=0).clamp_min(1)
    return values / (values.square().sum(dim=0) / count).sqrt().clamp_min(1e-300)


def contrary(weight: Tensor, mask: Tensor, secret: Secret, name: str, share: float, relative: float) -> Tensor:
    """Return Gaussian values, float64 ``(m, n)``, whose signs oppose completion's guesses where those are surest."""
    guess = complete(weight.double(), mask).values
    noise = normal(weight, secret, name) * (relative * spread(weight, mask))
    sure = strongest(guess.abs(), mask, share) & (guess != 0)
    return torch.where(sure, -guess.sign() * noise.abs(), noise)


def with_decoys(mask: Tensor, secret: Secret, name: str, share: float) -> Tensor:
    """Return the mask and false places: ``share`` of the untouched columns take over the pattern of a random edited column."""
    edited = mask.any(dim=0).nonzero()[:, 0]
    free = (~mask.any(dim=0)).nonzero()[:, 0]
    generator = secret.generator(name, "decoys")
    chosen = free[torch.randperm(len(free), generator=generator)[: int(share * len(free) + 0.5)]]
    patterns = edited[torch.randint(len(edited), (len(chosen),), generator=generator)]
    places = mask.clone()
    places[:, chosen] = mask[:, patterns]
    return places
