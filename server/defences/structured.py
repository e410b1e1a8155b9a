"""Fills that use the layer's structure, so that edited columns are harder to detect."""

from __future__ import annotations

import torch
from torch import Tensor

from clients.unlearning.filling import spread
from server.defences.filling import normal
from server.defences.secret import Secret
from server.revival.completion import complete
from server.revival.locate import strongest


def contrary(weight: Tensor, mask: Tensor, secret: Secret, name: str, share: float, relative: float) -> Tensor:
    """Return Gaussian values, float64 ``(m, n)``, whose signs are opposite to completion's most confident guesses."""
    guess = complete(weight.double(), mask).values
    noise = normal(weight, secret, name) * (relative * spread(weight, mask))
    sure = strongest(guess.abs(), mask, share) & (guess != 0)
    return torch.where(sure, -guess.sign() * noise.abs(), noise)


def with_decoys(mask: Tensor, secret: Secret, name: str, share: float) -> Tensor:
    """Return the mask with decoys added: a ``share`` of the untouched columns get the pattern of a random edited column."""
    edited = mask.any(dim=0).nonzero()[:, 0]
    free = (~mask.any(dim=0)).nonzero()[:, 0]
    generator = secret.generator(name, "decoys")
    chosen = free[torch.randperm(len(free), generator=generator)[: int(share * len(free) + 0.5)]]
    patterns = edited[torch.randint(len(edited), (len(chosen),), generator=generator)]
    places = mask.clone()
    places[:, chosen] = mask[:, patterns]
    return places
