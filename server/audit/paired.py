"""Tests of shares over the same samples under two conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Paired:
    """Samples that changed between two conditions.

    Parameters
    ----------
    gained, lost : int
        Number of samples that hold under the second condition only, and under the first only.
    p : float
        Two-sided p value of the exact test that both are equally likely; 1 if no sample changed.
    """

    gained: int
    lost: int
    p: float


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> Paired:
    """Return the exact test of McNemar; ``ValueError`` unless both hold one value for each sample, in the same order.

    Source: McNemar, "Note on the sampling error of the difference between correlated proportions or percentages", Psychometrika 12, 1947.
    """
    from scipy.stats import binomtest

    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} samples are no pairs: take the same samples under both conditions")
    gained = sum(after and not before for before, after in zip(first, second, strict=True))
    lost = sum(before and not after for before, after in zip(first, second, strict=True))
    p = float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    return Paired(gained, lost, p)
