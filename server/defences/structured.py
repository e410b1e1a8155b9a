"""Fills that look at the layer's structure, so that edited columns do not stand out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from server.defences.detection import auc, column_statistic
from server.defences.filling import normal, spread
from server.defences.secret import Secret
from server.revival.completion import complete
from server.revival.locate import strongest


def column_matched(weight: Tensor, mask: Tensor, secret: Secret, name: str, rank: int) -> Tensor:
    """Return values, float64 ``(m, n)``, with which edited columns have the norms and coherence of untouched ones.

    Each column is a random vector along the layer's left singular vectors, weighted by a power of the singular values, restricted to
    the masked rows and orthogonal to completion's guess there. Its norm is made up to that of an untouched column drawn at random. The
    first power (0 is white noise) is solved for the coherence; another, which thickens the tails, for the sizes of single entries,
    which louder columns would give away.
    """
    draft = _Draft(weight, mask, secret, name, rank)
    sharpness, power = 1.0, 1.0
    for _ in range(3):  # the two pull on each other only weakly
        sharpness = _solve(partial(draft.coherence_gap, power=power), 0.0, 4.0)
        power = _solve(partial(draft.size_gap, sharpness), 0.5, 6.0)
    return draft.values(sharpness, power)


class _Draft:
    """One layer's fill with two knobs, and how far it is from its surroundings."""

    def __init__(self, weight: Tensor, mask: Tensor, secret: Secret, name: str, rank: int) -> None:
        completion = complete(weight.double(), mask)
        self.mask, self.rank = mask, min(rank, *weight.shape)
        self.observed = weight.double().masked_fill(mask, 0.0)
        self.left, singular, _ = torch.linalg.svd(completion.values, full_matrices=False)
        self.singular = singular / singular[0]
        drawn = normal(weight, secret, name)
        self.coordinates = self.left.mT @ drawn
        self.rest = drawn - self.left @ self.coordinates  # outside the span of the columns, where a layer is tall
        self.guess = completion.values * mask
        self.lacking = self._lacking_squares(spread(weight, mask), secret, name)

    def _lacking_squares(self, std: float, secret: Secret, name: str) -> Tensor:
        """Return, per column, the sum of squares that lifts its norm to that of an untouched one; never less than quiet noise has."""
        edited, free = self.mask.any(dim=0).nonzero()[:, 0], (~self.mask.any(dim=0)).nonzero()[:, 0]
        norms, count = self.observed.square().sum(dim=0), self.mask.sum(dim=0)
        if not len(free):
            return count * std**2
        twins = free[torch.randint(len(free), edited.shape, generator=secret.generator(name, "twins"))]
        wanted = norms.clone()
        wanted[edited[norms[edited].argsort()]] = norms[twins].sort().values  # loud columns get loud twins, which they seldom exceed
        lacking: Tensor = torch.maximum(wanted - norms, count * (0.3 * std) ** 2)
        return lacking

    def values(self, sharpness: float, power: float) -> Tensor:
        """Return the fill for these knobs."""
        weighted = self.left * self.singular**sharpness @ self.coordinates + self.rest * self.singular[-1] ** sharpness
        inside = weighted * self.mask
        along = (inside * self.guess).sum(dim=0) / self.guess.square().sum(dim=0).clamp_min(1e-300)
        free = inside - self.guess * along
        shaped = free.sign() * (free.abs() / free.abs().amax(dim=0).clamp_min(1e-300)) ** power
        scaled: Tensor = shaped * (self.lacking / shaped.square().sum(dim=0).clamp_min(1e-300)).sqrt()
        return scaled

    def coherence_gap(self, sharpness: float, power: float) -> float:
        """Return how much the typical edited column is more coherent than the typical untouched one; 0 where all are edited."""
        edited = self.mask.any(dim=0)
        share = column_statistic(self.observed + self.values(sharpness, power), "coherence", self.rank)
        return float(share[edited].median() - share[~edited].median()) if bool((~edited).any()) else 0.0

    def size_gap(self, sharpness: float, power: float) -> float:
        """Return how much likelier a filled entry is to be smaller than an untouched one, than larger."""
        return auc(-(self.observed + self.values(sharpness, power)).abs(), self.mask).value - 0.5


def _solve(gap: Callable[[float], float], low: float, high: float) -> float:
    """Return where a rising function crosses zero, or the end that comes nearest."""
    if gap(low) >= 0:
        return low
    if gap(high) <= 0:
        return high
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if gap(middle) < 0 else (low, middle)
    return (low + high) / 2


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
