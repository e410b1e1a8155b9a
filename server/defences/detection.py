"""Detectability of a cut: tests of a release by an evaluator who knows the true mask, and their theoretical values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from server.audit.ranking import area
from server.defences.grid import value_grid
from server.revival.columns import Statistic, column_statistic
from server.revival.locate import Extremes


@dataclass(frozen=True)
class Auc:
    """Area under the ROC curve of a score for "was edited", with a 95 % interval (Hanley and McNeil 1982).

    NaN if one of the two sides is empty.
    """

    value: float
    low: float
    high: float

    @property
    def two_sided(self) -> float:
        """The larger of the area and its complement: an attacker inverts a score whose area is below one half."""
        return self.folded.value

    @property
    def folded(self) -> Auc:
        """The area that an attacker reaches, who inverts a score whose area is below one half, with its interval."""
        return Auc(1 - self.value, 1 - self.high, 1 - self.low) if self.value < 0.5 else self

    @property
    def at_chance(self) -> bool:
        """Whether one half lies in the interval."""
        return self.low <= 0.5 <= self.high


def auc(score: Tensor, edited: Tensor) -> Auc:
    """Return how well a score (any shape) separates edited entries (bool, same shape) from the others; ties count one half."""
    labels, values = edited.flatten().numpy(), score.flatten().double().numpy()
    positive, negative = int(labels.sum()), int((~labels).sum())
    if not positive or not negative:
        return Auc(math.nan, math.nan, math.nan)
    return _with_interval(area(values[labels], values[~labels]), positive, negative)


def _with_interval(value: float, positive: int, negative: int) -> Auc:
    both_positive, both_negative = value / (2 - value), 2 * value**2 / (1 + value)
    variance = value * (1 - value) + (positive - 1) * (both_positive - value**2) + (negative - 1) * (both_negative - value**2)
    margin = 1.96 * math.sqrt(max(variance, 0.0) / (positive * negative))
    return Auc(value, max(0.0, value - margin), min(1.0, value + margin))


def score_auc(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> Auc:
    """Return how well a score of columns, ``(n,)`` by layer, separates edited from untouched ones, over all layers together."""
    return auc(torch.cat([scores[name] for name in masks]), torch.cat([mask.any(dim=0) for mask in masks.values()]))


def entry_auc(weights: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> Auc:
    """Return the AUC of the score ``-|w|``, with each layer scaled by its median absolute value, over all layers together."""
    return _pooled(weights, masks, lambda weight, mask: (-weight.double().abs() / _median_size(weight), mask))


def column_auc(weights: Mapping[str, Tensor], masks: Mapping[str, Tensor], statistic: Statistic = "coherence", rank: int = 8) -> Auc:
    """Return how well a column statistic separates edited from untouched columns, ranked within each layer.

    A column counts as edited if any of its entries is masked. Low values indicate an edit.
    """

    def score(weight: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        values = column_statistic(weight, statistic, rank)
        ranks = values.argsort().argsort().double() / len(values)
        return -ranks, mask.any(dim=0)

    return _pooled(weights, masks, score)


def grid_auc(weights: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> Auc:
    """Return the AUC of the score "does not lie on the grid of the layer's other values"."""

    def score(weight: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        grid = value_grid(weight[~mask])
        return (weight.to(grid).to(weight.dtype) != weight).double(), mask

    return _pooled(weights, masks, score)


def hit_rate(weights: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> float:
    """Return the share of truly cut entries among equally many smallest entries of the whole model, in [0, 1]."""
    true = sum(int(mask.sum()) for mask in masks.values())
    found = Extremes(share=true / sum(mask.numel() for mask in masks.values())).places({n: weights[n] for n in masks})
    return sum(int((found[name] & mask).sum()) for name, mask in masks.items()) / true


def exact_zeros(weights: Mapping[str, Tensor]) -> int:
    """Return how many weights are exactly zero."""
    return sum(int((weight == 0).sum()) for weight in weights.values())


def expected_auc(ratio: float) -> float:
    """Return the ``entry_auc`` of Gaussian entries filled at ``ratio`` times their standard deviation: (2/pi) arctan(1/ratio)."""
    return 1.0 if ratio == 0 else 2 / math.pi * math.atan(1 / ratio)


def expected_hit_rate(share: float, ratio: float) -> float:
    """Return the ``hit_rate`` of Gaussian entries, a ``share`` of them filled at ``ratio`` times their standard deviation."""
    from scipy.optimize import brentq

    if ratio == 0:
        return 1.0

    def below(size: float) -> float:
        return share * math.erf(size / (math.sqrt(2) * ratio)) + (1 - share) * math.erf(size / math.sqrt(2))

    cutoff = brentq(lambda size: below(size) - share, 0.0, 10 * max(1.0, ratio))
    return float(math.erf(cutoff / (math.sqrt(2) * ratio)))


def _pooled(weights: Mapping[str, Tensor], masks: Mapping[str, Tensor], score: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Auc:
    scores, labels = zip(*(score(weights[name], mask) for name, mask in masks.items()), strict=True)
    return auc(torch.cat([s.flatten() for s in scores]), torch.cat([label.flatten() for label in labels]))


def _median_size(weight: Tensor) -> float:
    return max(float(weight.double().abs().median()), 1e-300)
