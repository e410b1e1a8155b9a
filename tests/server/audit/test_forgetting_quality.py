"""Forgetting quality and KLoM against brute force, with planted shifts and faults."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from clients import streams
from server.audit.calibration import mean_interval, mixed, swapped, threshold
from server.audit.forgetting_quality import CAP, epsilons, lower_bounds, quality, resolved, weighted_quality
from server.audit.klom import divergences, gaussian_divergences, histograms


def normal(models: int, rows: int, shift: float = 0.0, spread: float = 1.0, seed: int = 0) -> np.ndarray:
    return shift + spread * np.random.default_rng(seed).normal(size=(models, rows))


def brute(unlearned: np.ndarray, retrained: np.ndarray, delta: float = 1e-5) -> float:
    """Try every threshold of every family, one by one."""
    best = 0.0
    for centre in (None, np.median(unlearned), np.median(retrained)):
        one, other = (z if centre is None else np.abs(z - centre) for z in (unlearned, retrained))
        for t in np.concatenate([one, other]):
            for positive, negative in ((one, other), (other, one)):
                fnr, fpr = np.mean([z <= t for z in positive]), np.mean([z > t for z in negative])
                if fnr == 0 and fpr == 0:
                    return CAP
                if fnr > 0 and fpr > 0:
                    for a, b in ((fpr, fnr), (fnr, fpr)):
                        if 1 - delta - a > 0:
                            best = max(best, float(np.log((1 - delta - a) / b)))
    return min(best, CAP)


@pytest.mark.parametrize(("shift", "spread"), [(0.0, 1.0), (1.0, 1.0), (0.0, 0.2), (9.0, 1.0)])
def test_the_sorted_sweep_equals_all_thresholds_one_by_one(shift: float, spread: float) -> None:
    unlearned, retrained = normal(23, 5, shift, spread).round(1), normal(19, 5, seed=1).round(1)
    expected = [brute(*pair) for pair in zip(unlearned.T, retrained.T, strict=True)]
    assert epsilons(unlearned, retrained).tolist() == pytest.approx(expected)
    assert (shift == 9.0) == (expected == [CAP] * 5)


def test_epsilon_grows_with_the_shift_and_double_thresholds_see_other_spreads() -> None:
    retrained = normal(100, 40, seed=1)
    found = [epsilons(normal(100, 40, shift), retrained).mean() for shift in (0.0, 0.5, 1.0, 2.0)]
    assert found == sorted(found)
    assert epsilons(normal(100, 40, 0.0, 0.1), retrained).mean() > found[1] + 1


def test_the_null_is_not_zero_so_the_excess_counts() -> None:
    one, other, again = normal(64, 40), normal(64, 40, seed=1), normal(64, 40, seed=2)
    null = epsilons(one, other).mean()
    assert null > 0.5  # the maximum over thresholds of noisy rates
    assert abs(epsilons(one, again).mean() - null) < 0.25
    bounds = lower_bounds(one, other)
    assert (bounds > 0).mean() <= 0.1  # each may exceed the true epsilon of 0 in one row of twenty
    assert (lower_bounds(normal(64, 40, 3.0), other) > 1).mean() > 0.8


def test_separated_models_show_no_more_than_their_number_does() -> None:
    one, other = normal(32, 6), normal(24, 6, seed=1)
    one[:, 0] += 20
    assert epsilons(one, other)[0] == CAP
    assert resolved(one, other).tolist() == np.minimum(epsilons(one, other), np.log(23)).tolist()
    assert resolved(one, other)[1:].tolist() == epsilons(one, other)[1:].tolist()


def test_lower_bounds_are_clopper_and_pearsons() -> None:
    separated = lower_bounds(normal(200, 1, 20.0), normal(200, 1))[0]
    upper = beta.ppf(0.975, 1, 100)  # 0 of the 100 models that did not choose the threshold
    assert separated == pytest.approx(np.log((1 - 1e-5 - upper) / upper))


def test_quality_earns_by_buckets() -> None:
    assert quality(np.array([0.0, 0.49, 0.5, 1.2]), 512) == pytest.approx((1 + 1 + 1 / 2 + 1 / 4) / 4)
    assert quality(np.array([7.1, CAP]), 512) == 0.0  # ceil(ln 511) = 7
    assert quality(np.array([6.9]), 512) == pytest.approx(0.5**13)
    assert weighted_quality(0.5, (0.9, 1.0), (0.8, 0.8)) == pytest.approx(0.45)


def test_histograms_count_every_model_the_largest_too() -> None:
    one, other = normal(50, 1)[:, 0], normal(30, 1, 1.0, seed=1)[:, 0]
    counts = histograms(one, other)
    assert [count.sum() for count in counts] == [50, 30]
    assert [len(count) for count in counts] == [20, 20]
    top = max(one.max(), other.max())
    assert (counts[0] if top in one else counts[1])[-1] >= 1
    edges = np.linspace(min(one.min(), other.min()), top, 21)
    faulty = [((edges[:-1] <= z[:, None]) & (z[:, None] < edges[1:])).sum() for z in (one, other)]
    assert sum(faulty) == 79  # half-open bins drop the largest value
    assert histograms(np.ones(4), np.ones(4))[0].sum() == 4


def test_divergence_equals_a_loop_and_is_bounded() -> None:
    unlearned, retrained = normal(40, 3, 0.5), normal(40, 3, seed=1)
    for row, found in enumerate(divergences(unlearned, retrained)):
        total = 0.0
        counts = histograms(unlearned[:, row], retrained[:, row])
        p, q = ([max(c / 40, 1e-5) for c in count] for count in counts)
        for a, b in zip(p, q, strict=True):
            total += a / sum(p) * np.log(a / sum(p) / (b / sum(q)))
        assert found == pytest.approx(total)
    assert divergences(retrained, retrained).tolist() == [0.0] * 3
    apart = divergences(normal(40, 3, 50.0), retrained)
    assert (apart < 11.6).all()
    assert (apart > 9).all()


def test_gaussian_divergences_order_shifts_that_histograms_do_not() -> None:
    exact = gaussian_divergences(normal(20000, 1, 0.5, 2.0), normal(20000, 1, seed=1))[0]
    assert exact == pytest.approx(np.log(1 / 2) + (4 + 0.25) / 2 - 0.5, abs=0.1)
    retrained = normal(100, 60, seed=1)
    small = [gaussian_divergences(normal(100, 60, shift), retrained).mean() for shift in (0.0, 0.15, 0.3, 0.6)]
    assert small == sorted(small)


@pytest.mark.parametrize("audit", [epsilons, divergences, gaussian_divergences])
def test_shifts_cross_the_threshold_of_retrained_models_and_equal_ones_do_not(audit: object) -> None:
    assert callable(audit)
    retrained, again = normal(40, 20, seed=1), normal(40, 20, seed=2)
    null = [float(audit(*pair).mean()) for pair in mixed(retrained, again, ("test",), 10)]
    limit, floor = threshold(np.array(null)), mean_interval(audit, again, retrained, ("test",))
    assert floor.low <= float(np.median(null)) <= floor.high
    shifted = mean_interval(audit, normal(40, 20, 2.0), retrained, ("test",))
    assert shifted.low > limit
    assert not shifted.overlaps(floor)
    equal = mean_interval(audit, normal(40, 20, seed=3), retrained, ("test",))
    assert equal.overlaps(floor)


def test_intervals_widen_with_models_that_agree_within_themselves() -> None:
    """A few rows of many models, or many rows that move together with the model: both are uncertain."""
    retrained = normal(40, 200, seed=1)
    together = normal(40, 200, spread=0.1) + np.random.default_rng(5).normal(size=(40, 1))
    alone = mean_interval(gaussian_divergences, normal(40, 200), retrained, ("test",))
    joint = mean_interval(gaussian_divergences, together, retrained, ("test",))
    assert joint.high - joint.low > 2 * (alone.high - alone.low)


@pytest.mark.parametrize(("models", "others"), [(40, 5), (5, 40), (30, 25)])
def test_intervals_leave_models_of_both_sides_out_each_time(models: int, others: int) -> None:
    one, other = normal(models, 30, 0.5), normal(others, 30, seed=1)
    generator, groups = streams.generator("test", "rows"), min(10, models, others)
    mine, theirs = ([k % groups for k in generator.permutation(len(z))] for z in (one, other))
    left_out = []
    for group in range(groups):
        kept, kept_too = ([k for k, place in enumerate(places) if place != group] for places in (mine, theirs))
        assert len(kept) < models
        assert len(kept_too) < others
        left_out.append(gaussian_divergences(one[kept], other[kept_too]).mean())
    spread = np.sqrt((groups - 1) * np.var(left_out))
    rows = gaussian_divergences(one, other)
    drawn = [rows[generator.integers(0, 30, 30)].mean() + spread * generator.standard_normal() for _ in range(400)]
    found = mean_interval(gaussian_divergences, one, other, ("test",))
    assert [found.value, found.low, found.high] == pytest.approx([rows.mean(), *np.quantile(drawn, [0.025, 0.975])])


def test_splits_are_keyed_and_keep_every_model() -> None:
    one, other = normal(6, 2), normal(6, 2, seed=1)
    for split in (swapped, mixed):
        pairs = list(split(one, other, ("test",), 5))
        assert len(pairs) == 5
        for pair in pairs:
            assert [len(z) for z in pair] == [6, 6]
            assert sorted(map(tuple, np.concatenate(pair))) == sorted(map(tuple, np.concatenate([one, other])))
        again = list(split(one, other, ("test",), 5))
        assert all(np.array_equal(a, b) for a, b in zip(pairs, again, strict=True))
        assert not all(np.array_equal(a, b) for a, b in zip(pairs, split(one, other, ("other",), 5), strict=True))
    for first, second in swapped(one, other, ("test",), 5):
        for k in range(6):
            assert {tuple(first[k]), tuple(second[k])} == {tuple(one[k]), tuple(other[k])}
