"""Intervals of shares."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simulator.shares import interval


@pytest.mark.parametrize(("right", "n"), [(0, 1), (1, 1), (0, 60), (26, 60), (60, 60), (450, 900)])
def test_it_is_wilsons_interval(right: int, n: int) -> None:
    z, share = 1.959963984540054, right / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    assert interval(share, n) == pytest.approx((centre - half, centre + half), abs=1e-9)


def test_it_holds_the_true_share_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    held = [low <= 0.3 <= high for low, high in (interval(rng.binomial(60, 0.3) / 60, 60) for _ in range(400))]
    assert 0.92 <= np.mean(held) <= 0.98


@pytest.mark.parametrize(("share", "n"), [(-0.1, 5), (1.1, 5), (math.nan, 5), (0.5, 0)])
def test_what_is_no_share_is_refused(share: float, n: int) -> None:
    with pytest.raises(ValueError, match="has no interval: take a share"):
        interval(share, n)
