"""Shared parts of all fills: layer statistics, random draws, and rounding to the layer's grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from clients.unlearning import filling as noise
from server.defences.grid import on_grid, value_grid
from server.defences.secret import Secret

Draw = Callable[[Tensor, Tensor, Secret, str], tuple[Tensor, Tensor]]
"""Maps a layer's weight, its mask, the secret and the layer's name to the drawn values and the mask of entries that they fill."""


def seal_layers(draw: Draw, weights: Mapping[str, Tensor], masks: Mapping[str, Tensor], secret: Secret) -> Sealed:
    """Return the weights with every masked layer filled; ``ValueError`` names a layer whose mask does not fit or covers it whole."""
    sealed, filled = {}, {}
    for name, mask in masks.items():
        if name not in weights or mask.shape != weights[name].shape or mask.dtype != torch.bool:
            raise ValueError(f"layer {name}: the mask fits no weight of that name and shape; weights are {sorted(weights)}")
    for name, weight in weights.items():
        mask = masks.get(name, torch.zeros_like(weight, dtype=torch.bool))
        if not bool(mask.any()):
            sealed[name], filled[name] = weight.clone(), mask
            continue
        if bool(mask.all()):
            raise ValueError(f"layer {name}: every entry is masked, so nothing tells how loud a fill should be")
        values, places = draw(weight, mask, secret, name)
        grid = value_grid(weight[~mask])
        sealed[name] = torch.where(places, on_grid(values.to(weight.dtype), grid), weight)
        filled[name] = places
    return Sealed(sealed, filled)


def fillable(masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the masks without layers that are masked as a whole, where nothing tells how loud a fill should be."""
    return {name: mask for name, mask in masks.items() if not bool(mask.all())}


def normal(weight: Tensor, secret: Secret, name: str, purpose: str = "noise") -> Tensor:
    """Return standard normal draws of the layer's shape, float64."""
    return noise.normal(weight, secret.generator(name, purpose))


def survivors(weight: Tensor, mask: Tensor, secret: Secret, name: str, along: Literal["row", "column"]) -> Tensor:
    """Return, for each masked entry, a surviving non-zero value of its row (or column) with a random sign, float64.

    Values are drawn without replacement as long as there are enough. A row (or column) without survivors draws from the whole layer.
    """
    generator = secret.generator(name, "survivors")
    lines, places = (weight.double(), mask) if along == "row" else (weight.double().mT, mask.mT)
    everyone = lines[~places & (lines != 0)]
    drawn = torch.zeros_like(lines)
    for i in range(len(lines)):
        count = int(places[i].sum())
        if not count:
            continue
        left = lines[i][~places[i] & (lines[i] != 0)]
        left = left if len(left) else everyone
        order = torch.cat([torch.randperm(len(left), generator=generator) for _ in range(-(-count // len(left)))])
        drawn[i, places[i]] = left[order[:count]]
    signs = torch.randint(0, 2, lines.shape, generator=generator).double() * 2 - 1
    drawn = drawn * signs
    return drawn if along == "row" else drawn.mT


@dataclass(frozen=True)
class Sealed:
    """Weights that contain a fill.

    ``filled`` is true for every entry that the fill wrote; some fills write outside the cut too. It is as secret as the key and needed
    only to keep these entries constant in later training.
    """

    weights: dict[str, Tensor]
    filled: dict[str, Tensor]
