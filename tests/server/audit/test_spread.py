"""Spread over peers beyond chance."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import chi2, kstest, norm

from server.audit.ranking import area
from server.audit.spread import null_variance, spread


def test_null_variance_is_that_of_the_area_of_equal_groups() -> None:
    rng = np.random.default_rng(0)
    areas = [area(rng.normal(size=7), rng.normal(size=11)) for _ in range(1000)]
    assert np.var(areas) == pytest.approx(null_variance(7, 11), rel=0.15)


def test_equal_peers_spread_by_chance_only() -> None:
    rng, sizes = np.random.default_rng(1), [(4, 40), (20, 40), (40, 40), (8, 80), (15, 30)]
    variances = [null_variance(*size) for size in sizes]
    drawn = 0.5 + np.sqrt(variances) * rng.normal(size=(2000, len(sizes)))
    equal = [spread(one, [0.5] * 5, variances, [0] * 5) for one in drawn]
    assert np.mean([one.p < 0.05 for one in equal]) < 0.07
    assert 0.55 < np.mean([one.beyond_chance == 0 for one in equal]) < 0.7  # with chance left in it would never be 0
    apart = [spread(one, [0.5] * 5, variances, [0] * 5).beyond_chance for one in drawn + 0.2 * rng.normal(size=drawn.shape)]
    assert np.mean(np.equal(apart, 0)) < 0.1
    assert np.sqrt(np.mean(np.square(apart))) == pytest.approx(0.2, rel=0.05)
    assert np.mean([one.beyond_chance for one in equal]) < 0.04


def test_of_equal_peers_the_variance_beyond_chance_averages_nothing() -> None:
    """Areas of drawn groups. A known spread is added, so that no difference falls below 0, where it would be cut off."""
    rng, sizes, apart = np.random.default_rng(3), [(5, 30), (20, 40), (40, 40), (15, 80)], np.array([-0.5, 0.0, 0.2, 0.5])
    drawn = np.array([[area(rng.normal(size=m), rng.normal(size=n)) for m, n in sizes] for _ in range(400)])
    chance = [null_variance(*size) for size in sizes]
    found = [spread(one + apart, [0.5] * 4, chance, [0] * 4).beyond_chance ** 2 for one in drawn]
    error = np.std(found) / np.sqrt(len(found))
    assert np.mean(found) == pytest.approx(apart.var(ddof=1), abs=3 * error)
    raw = [(one + apart).var(ddof=1) for one in drawn]
    assert np.mean(raw) > apart.var(ddof=1) + 4 * error, "the control: with chance left in it is more"


def test_of_equal_peers_the_sum_of_squares_over_their_chance_is_a_chi_square() -> None:
    rng, peers = np.random.default_rng(4), 5
    drawn = np.array([[area(rng.normal(size=30), rng.normal(size=40)) for _ in range(peers)] for _ in range(400)])
    found = ((drawn - drawn.mean(axis=1, keepdims=True)) ** 2).sum(axis=1) / null_variance(30, 40)
    assert kstest(found, chi2(peers - 1).cdf).pvalue > 0.01
    assert kstest(found, chi2(peers).cdf).pvalue < 1e-6, "the control: one degree of freedom goes to the mean"


def test_the_one_of_ten_that_did_not_forget_is_found_though_the_mean_is_not_moved() -> None:
    rng = np.random.default_rng(2)
    variances = [null_variance(40, 200)] * 10
    figures = 0.5 + np.sqrt(variances) * rng.normal(size=10)
    figures[6] = 0.85
    found = spread(figures, [0.5] * 10, variances, [0] * 10)
    assert found.worst == 6
    assert found.p < 0.001
    assert found.beyond_chance > 0.05
    assert abs(found.mean - 0.5) < 0.06


def test_a_peer_is_measured_by_its_own_chance_and_its_own_floor() -> None:
    small, large = null_variance(4, 40), null_variance(100, 400)
    found = spread([0.70, 0.62, 0.62], [0.5, 0.5, 0.62], [small, large, large], [0] * 3)
    assert found.worst == 1  # 0.70 of four rows is less than 0.62 of a hundred; 0.62 beside a floor of 0.62 is nothing
    assert found.p == pytest.approx(3 * 2 * norm.sf(0.12 / np.sqrt(large)))
    assert spread([0.6], [0.5], [large], [0]).beyond_chance == 0.0


def test_a_peer_below_its_floor_stands_out_and_chance_of_floors_spreads_no_peers() -> None:
    found = spread([0.5, 0.2, 0.52], [0.5] * 3, [1e-3] * 3, [3e-3] * 3)
    assert found.worst == 1
    assert found.p == pytest.approx(3 * 2 * norm.sf(0.3 / np.sqrt(4e-3)))
    assert found.beyond_chance == pytest.approx(np.sqrt(np.var([0.5, 0.2, 0.52], ddof=1) - 1e-3))


def test_holm_leaves_p_at_most_one() -> None:
    for figures in product([0.4, 0.5], repeat=3):
        assert spread(figures, [0.5] * 3, [0.01] * 3, [0] * 3).p <= 1
