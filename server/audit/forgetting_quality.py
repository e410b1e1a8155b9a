"""Forgetting quality: per row, the epsilon at which thresholds on the margin tell unlearned from retrained models.

Triantafillou et al., "Are we making progress in unlearning? Findings from the first NeurIPS unlearning competition", arXiv 2406.09073,
appendix on the evaluation: ``epsilon = max over thresholds of max(ln((1 - d - FPR) / FNR), ln((1 - d - FNR) / FPR))``.

The maximum over thresholds of noisy rates is positive for equal models, too: read it beside retrained models against retrained ones.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import beta

from server.audit.margins import Floats

DELTA = 1e-5
CAP = 50.0
"""Epsilon where the two groups are separated perfectly."""
BUCKET = 0.5
"""Width of the buckets of epsilon; each earns half as much as the one before."""


def epsilons(unlearned: Floats, retrained: Floats, delta: float = DELTA) -> Floats:
    """Return the epsilon of every row, shape (rows,), in [0, 50].

    Thresholds are single ones on the margin, and double ones at equal distance on both sides of either group's median. Those with exactly
    one rate of zero are dropped, as they speak of too few models. One sorted sweep a family: O(models log models).

    Parameters
    ----------
    unlearned, retrained : float64 arrays, shape (models, rows)
        Margins; the numbers of models may differ.
    """
    centres = (None, np.median(unlearned, axis=0), np.median(retrained, axis=0))
    pairs = [[z if centre is None else np.abs(z - centre) for z in (unlearned, retrained)] for centre in centres]
    found: Floats = np.minimum(np.max([_swept(one, other, delta) for one, other in pairs], axis=0), CAP)
    return found


def resolved(unlearned: Floats, retrained: Floats) -> Floats:
    """Return the `epsilons` of every row, shape (rows,), each at most ``ln(n - 1)``, the largest finite one of the n models of a side.

    Models that a threshold separates show no larger one. Left at 50, one separated row decided a mean over rows, and its interval.
    """
    most = math.log(max(min(len(unlearned), len(retrained)) - 1, 1))
    return np.minimum(epsilons(unlearned, retrained), most)


def _swept(one: Floats, other: Floats, delta: float) -> Floats:
    """Return each row's largest epsilon over all single thresholds; 0 if none counts, infinity if one separates the groups."""
    values = np.concatenate([one, other])
    order = np.argsort(values, axis=0)
    ours = np.take_along_axis(np.broadcast_to(np.arange(len(values))[:, None] < len(one), values.shape), order, axis=0)
    ranked = np.take_along_axis(values, order, axis=0)
    last = np.concatenate([ranked[1:] != ranked[:-1], np.ones((1, ranked.shape[1]), bool)])  # of equal values, which no threshold parts
    below, theirs = np.cumsum(ours, axis=0) / len(one), np.cumsum(~ours, axis=0) / len(other)
    directions = [epsilon_of(missed, wrong, delta) for missed, wrong in ((1 - below, theirs), (below, 1 - theirs))]
    best: Floats = np.where(last, np.max(directions, axis=0), 0).max(axis=0)
    return best


def epsilon_of(false_negatives: Floats, false_positives: Floats, delta: float) -> Floats:
    """Return epsilon for each pair of rates: infinite where both are zero, 0 where exactly one is, never below 0."""
    both = (false_negatives == 0) & (false_positives == 0)
    counts = (false_negatives > 0) & (false_positives > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        first = np.log(np.maximum(1 - delta - false_positives, 0)) - np.log(false_negatives)
        second = np.log(np.maximum(1 - delta - false_negatives, 0)) - np.log(false_positives)
    return np.where(both, np.inf, np.where(counts, np.maximum(np.maximum(first, second), 0), 0))


def quality(found: Floats, models: int) -> float:
    """Return the mean over rows of 1, 1/2, 1/4 ... by the bucket of their epsilon, in [0, 1].

    ``models`` is the number of models a side: buckets beyond ``ceil(ln(models - 1))``, which no rates can reach, earn nothing.
    """
    last = math.ceil(math.log(max(models - 1, 1)))
    earned = np.where(found < last, 0.5 ** np.floor(found / BUCKET), 0.0)
    return float(earned.mean())


def weighted_quality(forgetting: float, kept: tuple[float, float], test: tuple[float, float]) -> float:
    """Return forgetting quality times the ratios of unlearned to retrained accuracy, on kept and on test rows (pairs, fractions)."""
    return forgetting * kept[0] / kept[1] * test[0] / test[1]


def lower_bounds(unlearned: Floats, retrained: Floats, delta: float = DELTA, level: float = 0.95) -> Floats:
    """Return, for every row, an epsilon that the true one exceeds with confidence ``level``, shape (rows,).

    The best single threshold of the models with even numbers is judged on the others, by the upper ends of Clopper and Pearson's intervals
    of both rates, each at half the error.
    """
    return np.array([_lower_bound(one, other, delta, level) for one, other in zip(unlearned.T, retrained.T, strict=True)])


def _lower_bound(unlearned: Floats, retrained: Floats, delta: float, level: float) -> float:
    seen = np.unique(np.concatenate([unlearned[::2], retrained[::2]]))
    if len(seen) < 2:
        return 0.0
    values = (seen[:-1] + seen[1:]) / 2
    above = [(z[::2, None] > values).mean(axis=0) for z in (unlearned, retrained)]
    errors = np.stack([1 - above[0] + above[1], above[0] + 1 - above[1]])  # of both directions
    direction, at = np.unravel_index(int(np.argmin(errors)), errors.shape)
    positive, negative = (unlearned[1::2], retrained[1::2]) if direction == 0 else (retrained[1::2], unlearned[1::2])
    missed = _upper(int((positive <= values[at]).sum()), len(positive), level)
    wrong = _upper(int((negative > values[at]).sum()), len(negative), level)
    return float(epsilon_of(np.array([missed]), np.array([wrong]), delta)[0])


def _upper(count: int, total: int, level: float) -> float:
    """Return the upper end of a rate's interval, at half the error."""
    return 1.0 if count == total else float(beta.ppf((1 + level) / 2, count + 1, total - count))
