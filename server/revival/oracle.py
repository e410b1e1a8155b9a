"""For the evaluator only, who holds the original: controls for a revival, and scores of it.

No attack imports this module.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from clients.streams import Field, torch_generator
from server.revival.attack import Revival
from server.revival.knowledge import Revived
from server.revival.locate import strongest
from server.revival.refill import refill


@dataclass(frozen=True)
class SignAccuracy:
    """Share of the guessed entries whose sign is correct, in [0, 1], NaN if nothing was guessed; and numbers of these entries."""

    overall: float
    top_fifth: float
    n: int
    n_top_fifth: int


@dataclass(frozen=True)
class Location:
    """How well a cut was located: share of truly cut entries found, and number of entries named in error."""

    found: float
    false: int


def random_signs(pruned: Mapping[str, Tensor], mask: Mapping[str, Tensor], settings: Revival, key: tuple[Field, ...]) -> dict[str, Tensor]:
    """Return the lower control: the completion's guesses replaced by standard normal draws, all else equal."""
    drawn = {n: torch.randn(m.shape, generator=torch_generator(*key, "random signs", n), dtype=torch.float64) * m for n, m in mask.items()}
    return _refilled(pruned, mask, drawn, settings)


def true_signs(
    pruned: Mapping[str, Tensor], mask: Mapping[str, Tensor], original: Mapping[str, Tensor], settings: Revival
) -> dict[str, Tensor]:
    """Return the upper control: the result of a perfect completion."""
    return _refilled(pruned, mask, {name: original[name].double() * m for name, m in mask.items()}, settings)


def neuron_mean(pruned: Mapping[str, Tensor], revived: Revived, settings: Revival) -> dict[str, Tensor]:
    """Return the same revival with the row's mean absolute value as magnitude instead of its largest."""
    return _refilled(pruned, revived.places, revived.guesses, settings.model_copy(update={"magnitude": "row_mean"}))


def _refilled(
    pruned: Mapping[str, Tensor], mask: Mapping[str, Tensor], guesses: Mapping[str, Tensor], settings: Revival
) -> dict[str, Tensor]:
    return refill(pruned, mask, guesses, settings.keep, settings.magnitude, settings.gain, settings.seed)


def sign_accuracy(guesses: Mapping[str, Tensor], mask: Mapping[str, Tensor], original: Mapping[str, Tensor]) -> SignAccuracy:
    """Return the share of correct signs over all entries of the mask, and over each layer's most confident fifth.

    An entry without a guess counts as wrong. One that was zero in the original, as after an earlier cut, has no sign and does not count.
    """
    right = total = top_right = top_total = 0
    for name in mask:
        place = mask[name] & (original[name] != 0)
        agree = guesses[name].sign() == original[name].sign()
        top = strongest(guesses[name].abs(), place, 0.2)
        right, total = right + int(agree[place].sum()), total + int(place.sum())
        top_right, top_total = top_right + int(agree[top].sum()), top_total + int(top.sum())
    overall, top_fifth = (hit / count if count else float("nan") for hit, count in ((right, total), (top_right, top_total)))
    return SignAccuracy(overall, top_fifth, total, top_total)


def sign_agreement(a: Mapping[str, Tensor], b: Mapping[str, Tensor], mask: Mapping[str, Tensor]) -> float:
    """Return the share of the mask's entries on which two sets of weights agree in sign."""
    agree = sum(int((a[name].sign() == b[name].sign())[place].sum()) for name, place in mask.items())
    return agree / max(1, sum(int(place.sum()) for place in mask.values()))


def location(found: Mapping[str, Tensor], mask: Mapping[str, Tensor]) -> Location:
    """Compare the located entries with the true mask; weights that are zero by training count as false."""
    true = sum(int(place.sum()) for place in mask.values())
    hit = sum(int((found[name] & place).sum()) for name, place in mask.items())
    return Location(hit / true if true else float("nan"), sum(int((found[name] & ~place).sum()) for name, place in mask.items()))


def success_ratio(original: float, pruned: float, revived: float) -> float:
    """Return ``(revived - pruned) / (original - pruned)``, NaN if pruning changed nothing; always show it with its parts."""
    return (revived - pruned) / (original - pruned) if original != pruned else float("nan")


def swapped_sizes(
    pruned: Mapping[str, Tensor], mask: Mapping[str, Tensor], original: Mapping[str, Tensor], key: tuple[Field, ...]
) -> dict[str, Tensor]:
    """Return lost entries with their true signs and the true sizes of other lost entries of their layer, drawn without replacement."""
    filled = {}
    for name, place in mask.items():
        true = original[name][place]
        order = torch.randperm(len(true), generator=torch_generator(*key, "swapped sizes", name))
        filled[name] = pruned[name].masked_scatter(place, true.sign() * true.abs()[order])
    return filled


def swapped_signs(
    pruned: Mapping[str, Tensor], mask: Mapping[str, Tensor], original: Mapping[str, Tensor], key: tuple[Field, ...]
) -> dict[str, Tensor]:
    """Return lost entries with their true sizes and random signs."""
    filled = {}
    for name, place in mask.items():
        true = original[name][place]
        signs = torch.randint(0, 2, true.shape, generator=torch_generator(*key, "swapped signs", name)) * 2 - 1
        filled[name] = pruned[name].masked_scatter(place, true.abs() * signs)
    return filled


def size_error(guesses: Mapping[str, Tensor], mask: Mapping[str, Tensor], original: Mapping[str, Tensor]) -> float:
    """Return the root mean square error of guessed sizes, relative to the lost entries' root mean square; 1 for guesses of zero."""
    wrong = whole = 0.0
    for name, place in mask.items():
        guessed, true = guesses[name][place].double().abs(), original[name][place].double().abs()
        wrong, whole = wrong + float((guessed - true).square().sum()), whole + float(true.square().sum())
    return math.sqrt(wrong / whole) if whole else float("nan")
