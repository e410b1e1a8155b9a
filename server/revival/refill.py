"""Steps 3 and 4: keep the most confident signs, and scale them to a large magnitude."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from clients.streams import torch_generator
from server.revival.locate import strongest

Magnitude = Literal["row_max", "row_mean", "drawn", "as_is"]


def refill(
    weights: Mapping[str, Tensor],
    places: Mapping[str, Tensor],
    guesses: Mapping[str, Tensor],
    keep: float,
    magnitude: Magnitude,
    gain: float = 1.0,
    seed: int = 0,
) -> dict[str, Tensor]:
    """Return the weights with the entries at ``places`` refilled; all other entries stay bit-identical.

    Parameters
    ----------
    weights : mapping of str to tensor, shape (m, n)
        Values at ``places`` are not read.
    places : mapping of str to bool tensor
    guesses : mapping of str to tensor
        Their signs are used, and their absolute values as confidence.
    keep : float
        Share of each layer's places to fill, most confident first, in [0, 1]; the rest become 0.
    magnitude : {"row_max", "row_mean", "drawn", "as_is"}
        Absolute value of a filled entry: the row's largest or mean observed one, the published draw, or that of the guess.
    gain : float
        Factor on the magnitude.
    seed : int
        Keys the draws of ``"drawn"``.
    """
    filled = {}
    for name, weight in weights.items():
        place, guess = places[name], guesses[name]
        kept = strongest(guess.abs(), place, keep)
        work = weight.to(guess.dtype)
        size = guess.abs() if magnitude == "as_is" else guess.sign().abs() * _row_sizes(work, place, magnitude, name, seed)
        new = torch.where(kept, guess.sign() * size * gain, torch.zeros_like(guess))
        filled[name] = torch.where(place, new.to(weight.dtype), weight)
    return filled


def _row_sizes(work: Tensor, place: Tensor, magnitude: Magnitude, name: str, seed: int) -> Tensor:
    """Return an absolute value for each entry, shape (m, n) or (m, 1); 0 in rows without an observed entry."""
    observed = work.masked_fill(place, 0.0)
    largest = observed.abs().amax(dim=1, keepdim=True)
    if magnitude == "row_max":
        return largest
    count = (~place).sum(dim=1, keepdim=True).clamp_min(1)
    if magnitude == "row_mean":
        return observed.abs().sum(dim=1, keepdim=True) / count
    mean = observed.sum(dim=1, keepdim=True) / count
    spread = (((work - mean).masked_fill(place, 0.0) ** 2).sum(dim=1, keepdim=True) / count).sqrt()
    drawn = torch.randn(work.shape, generator=torch_generator(seed, "drawn", name), dtype=torch.float64).to(work)
    return torch.maximum((mean + spread * drawn).abs(), largest * (1 + 1e-6)) * (largest > 0)
