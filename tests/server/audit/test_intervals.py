from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from server.audit.intervals import wilson


@pytest.mark.parametrize(("k", "n"), [(0, 12), (3, 12), (12, 12), (500, 901)])
def test_it_is_the_interval_of_the_library(k: int, n: int) -> None:
    expected = binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k / n, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_without_rows_nothing_is_known() -> None:
    assert wilson(0.0, 0) == (0.0, 1.0)


def test_the_smallest_of_several_shares_has_a_wider_interval() -> None:
    expected = binomtest(5, 10).proportion_ci(confidence_level=1 - 0.05 / 9, method="wilson")
    assert wilson(0.5, 10, 9) == pytest.approx((expected.low, expected.high), abs=1e-12)


def coverage(believed: int) -> float:
    """Return how often intervals for ``believed`` rows hold the true share of 60, a mean over shares, from exact probabilities."""
    shares, counts = np.linspace(0.05, 0.95, 181), np.arange(61)
    ends = np.array([wilson(k / 60, believed) for k in counts])
    held = (ends[:, 0] <= shares[:, None]) & (shares[:, None] <= ends[:, 1])
    return float((binom.pmf(counts, 60, shares[:, None]) * held).sum(1).mean())


def test_it_holds_the_true_share_as_often_as_it_says() -> None:
    assert coverage(60) == pytest.approx(0.95, abs=0.005)
    assert coverage(120) < 0.9, "the control: an interval for more rows than there were"


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_what_is_no_share_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="has no interval"):
        wilson(share, 5)
