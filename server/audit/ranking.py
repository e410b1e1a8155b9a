"""How well scores tell two groups of (model, row) pairs apart, with intervals over models and over rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clients import streams
from clients.streams import Field
from server.audit.margins import Floats

LEVEL = 0.95
"""Confidence of all intervals."""


@dataclass(frozen=True)
class Interval:
    """A figure with the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    def overlaps(self, other: Interval) -> bool:
        """Return whether the two intervals have a point in common."""
        return self.low <= other.high and other.low <= self.high


@dataclass(frozen=True)
class Scored:
    """Scores of judged models on rows, large where a model is said to have had the row.

    ``positive`` and ``negative``, float64 (models, rows), are NaN where a model is not judged on a row.
    """

    positive: Floats
    negative: Floats

    @property
    def groups(self) -> tuple[Floats, Floats]:
        """All positive and all negative scores, each as one list."""
        return self.positive[~np.isnan(self.positive)], self.negative[~np.isnan(self.negative)]


def pairs_won(positive: Floats, negative: Floats) -> float:
    """Return in how many pairs, one score of each group, the positive one is larger (Mann and Whitney's U); equal scores count one half."""
    return _Sorted(positive, negative).won(np.ones(len(positive)), np.ones(len(negative)))


def area(positive: Floats, negative: Floats) -> float:
    """Return the area under the ROC curve, in [0, 1]; equal scores count one half. NaN if a group is empty or a score is NaN."""
    return _Sorted(positive, negative).area(np.ones(len(positive)), np.ones(len(negative)))


def true_positive_rate(positive: Floats, negative: Floats, at: float) -> float | None:
    """Return the largest true-positive rate of a threshold whose false-positive rate is at most ``at``.

    None, for *not resolvable*, if there are fewer than 1 / ``at`` negatives: no rate below 1 / n exists then.
    """
    if len(negative) * at < 1 or not len(positive):
        return None
    allowed = int(len(negative) * at + 1e-9)
    threshold = np.sort(negative)[::-1][allowed] if allowed < len(negative) else -np.inf
    return float((positive > threshold).mean())


def balanced_accuracy(positive: Floats, negative: Floats, threshold: float = 0.0) -> float:
    """Return the mean of both groups' shares on their side of a threshold; scores at the threshold count one half."""
    above = float((positive > threshold).mean() + 0.5 * (positive == threshold).mean())
    below = float((negative < threshold).mean() + 0.5 * (negative == threshold).mean())
    return (above + below) / 2


def areas_by_row(scored: Scored) -> Floats:
    """Return the area under the curve over models for each row, shape (rows,); NaN where a group is empty."""
    found = [
        area(positive[~np.isnan(positive)], negative[~np.isnan(negative)])
        for positive, negative in zip(scored.positive.T, scored.negative.T, strict=True)
    ]
    return np.array(found)


def area_interval(scored: Scored, key: tuple[Field, ...], repeats: int = 200) -> Interval:
    """Return the area under the curve with its percentile interval by a bootstrap over models and over rows.

    A judged model brings its positive and its negative scores along, as both hang on the same rows and fits.
    """
    models, rows = scored.positive.shape
    here, there = ~np.isnan(scored.positive), ~np.isnan(scored.negative)
    ranks = _Sorted(scored.positive[here], scored.negative[there])
    drawn, generator = [], streams.generator(*key, "bootstrap")
    for _ in range(repeats):
        weights = np.outer(generator.multinomial(models, np.full(models, 1 / models)), generator.multinomial(rows, np.full(rows, 1 / rows)))
        drawn.append(ranks.area(weights[here].astype(np.float64), weights[there].astype(np.float64)))
    return around(ranks.area(np.ones(here.sum()), np.ones(there.sum())), np.array(drawn))


def around(value: float, drawn: Floats) -> Interval:
    """Return a figure with the percentile interval of its bootstrap values; those that are NaN are left out."""
    low, high = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high))


class _Sorted:
    """Two groups of scores, sorted once, so that areas with other weights cost one pass."""

    def __init__(self, positive: Floats, negative: Floats) -> None:
        self._distinct, places = np.unique(np.concatenate([positive, negative]), return_inverse=True)
        self._positive: npt.NDArray[np.intp] = places[: len(positive)]
        self._negative: npt.NDArray[np.intp] = places[len(positive) :]

    def won(self, positive: Floats, negative: Floats) -> float:
        """Return the weight of the pairs in which the positive score is larger; NaN if a score is NaN."""
        if np.isnan(self._distinct[-1:]).any():
            return float("nan")
        ours = np.bincount(self._positive, positive, len(self._distinct))
        theirs = np.bincount(self._negative, negative, len(self._distinct))
        below = np.cumsum(theirs) - theirs / 2
        return float((ours * below).sum())

    def area(self, positive: Floats, negative: Floats) -> float:
        """Return the area under the curve if the scores count with these weights; NaN if a group has no weight or a score is NaN."""
        pairs = positive.sum() * negative.sum()
        return float(self.won(positive, negative) / pairs) if pairs else float("nan")
