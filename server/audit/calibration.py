"""Calibration: the same audit between models of one kind, whose figures are what chance alone gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from clients import streams
from clients.streams import Field
from server.audit.margins import Floats
from server.audit.ranking import LEVEL, Interval, around

SPLITS = 40
"""How many ways of splitting the retrained models make a threshold."""

Pair = tuple[Floats, Floats]


def swapped(first: Floats, second: Floats, key: tuple[Field, ...], splits: int = SPLITS) -> Iterator[Pair]:
    """Yield two sets of models (models, rows) with a keyed half of the pairs exchanged: model k of one for model k of the other."""
    generator = streams.generator(*key, "swaps")
    for _ in range(splits):
        there = generator.random(len(first)) < 0.5
        yield np.where(there[:, None], second, first), np.where(there[:, None], first, second)


def mixed(first: Floats, second: Floats, key: tuple[Field, ...], splits: int = SPLITS) -> Iterator[Pair]:
    """Yield two sets as large as the given ones, split by key from all their models."""
    every, generator = np.concatenate([first, second]), streams.generator(*key, "mixtures")
    for _ in range(splits):
        order = generator.permutation(len(every))
        yield every[order[: len(first)]], every[order[len(first) :]]


def threshold(figures: Floats) -> float:
    """Return the 95 % quantile of what an audit says of models of one kind: what a figure must exceed."""
    return float(np.quantile(figures, LEVEL))


def mean_interval(
    figures: Callable[[Floats, Floats], Floats],
    one: Floats,
    other: Floats,
    key: tuple[Field, ...],
    *,
    groups: int = 10,
    summary: Callable[[Floats], float] = lambda found: float(found.mean()),
) -> Interval:
    """Return a summary over rows of an audit's figures, with an interval over models and rows.

    Rows are drawn with replacement. Models are not, because a model that is drawn twice makes a distribution look narrower than it is:
    keyed groups of them are left out in turn (delete-a-group jackknife), and what this adds to the spread is added as normal noise.

    Parameters
    ----------
    figures : callable
        From two arrays (models, rows) to a figure for every row.
    """
    found = figures(one, other)
    generator = streams.generator(*key, "rows")
    groups = min(groups, len(one), len(other))
    places = [generator.permutation(np.arange(len(z)) % groups) for z in (one, other)]
    left_out = [summary(figures(one[places[0] != group], other[places[1] != group])) for group in range(groups)]
    spread = float(np.std(left_out) * np.sqrt(len(left_out) - 1))
    drawn = [summary(found[generator.integers(0, len(found), len(found))]) + spread * generator.standard_normal() for _ in range(400)]
    return around(summary(found), np.array(drawn))


def grand_mean(values: Floats, key: tuple[Field, ...], repeats: int = 400) -> Interval:
    """Return the mean of values (models, rows) with its percentile interval by a bootstrap over models and over rows."""
    generator = streams.generator(*key, "bootstrap")
    models, rows = (generator.multinomial(n, np.full(n, 1 / n), size=repeats) / n for n in values.shape)
    return around(float(values.mean()), ((models @ values) * rows).sum(axis=1))
