"""Per-example likelihood ratios and kernel ratios against plain loops, closed forms and planted faults."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import norm

from server.audit.margins import margins
from server.audit.ranking import (
    Scored,
    area,
    area_interval,
    areas_by_row,
    balanced_accuracy,
    true_positive_rate,
)
from server.audit.ruli import kernel_ratios
from server.audit.u_lira import FLOOR, likelihood_ratios


def game(models: int, rows: int, shift: float, seed: int = 0, scale: float = 1.0, ratio: float = 1.0) -> tuple[np.ndarray, ...]:
    """Return margins of unlearned and of other models, which differ by a shift and a ratio of spreads, and who had which row."""
    rng = np.random.default_rng(seed)
    easy = rng.normal(0, 3, rows)  # rows differ from each other by more than models do
    never = easy + scale * rng.normal(0, 1, (models, rows))
    unlearned = easy + scale * (shift + ratio * rng.normal(0, 1, (models, rows)))
    return unlearned, never, rng.random((models, rows)) < 0.5


def test_margins_are_log_odds_and_stay_finite() -> None:
    logits = np.array([[[1.0, 2.0, -1.0], [3.0, 0.0, 0.5]], [[0.0, 0.0, 0.0], [500.0, 0.0, -900.0]]])
    classes = np.array([1, 0])
    found = margins(logits, classes)
    p = np.exp(logits[0]) / np.exp(logits[0]).sum(axis=1, keepdims=True)
    for row, label in enumerate(classes):
        assert found[0, row] == pytest.approx(np.log(p[row, label]) - np.log(1 - p[row, label]))
    assert found[1].tolist() == [pytest.approx(-np.log(2)), 100.0]
    assert margins(np.array([[500.0, 0.0]]), np.array([1])).tolist() == [-100.0]
    with pytest.raises(ValueError, match="diverged"):
        margins(np.array([[np.nan, 0.0]]), np.array([1]))


def test_ratios_equal_a_loop_that_leaves_the_judged_model_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.audit.u_lira.FLOOR", 0.0)
    unlearned, never, inside = game(9, 6, 0.7, ratio=2.0)
    inside[:, 5] = [True] * 3 + [False] * 6  # too few models
    found = likelihood_ratios(unlearned, never, inside)
    assert np.isnan(found.positive[:, 5]).all()
    for k, x in product(range(9), range(5)):
        if not inside[k, x]:
            assert np.isnan([found.positive[k, x], found.negative[k, x]]).all()
            continue
        others = inside[:, x] & (np.arange(9) != k)
        for judged, scores in ((unlearned, found.positive), (never, found.negative)):
            logs = [norm.logpdf(judged[k, x], z[others, x].mean(), z[others, x].std(ddof=1)) for z in (unlearned, never)]
            assert scores[k, x] == pytest.approx(logs[0] - logs[1])


def test_a_row_on_which_models_happen_to_agree_takes_a_share_of_the_pooled_variance() -> None:
    unlearned, never, inside = game(12, 6, 0.0)
    inside[:] = True
    never[:, 2] = 1.0
    found = likelihood_ratios(unlearned, never, inside).positive[4, 2]
    rest = np.arange(12) != 4
    pooled = [np.mean([z[rest, x].var(ddof=1) for x in range(6)]) for z in (unlearned, never)]
    logs = [
        norm.logpdf(unlearned[4, 2], z[rest, 2].mean(), np.sqrt(max(z[rest, 2].var(ddof=1), FLOOR * floor)))
        for z, floor in zip((unlearned, never), pooled, strict=True)
    ]
    assert found == pytest.approx(logs[0] - logs[1])


def test_rows_that_are_not_judged_change_no_other_rows_scores() -> None:
    unlearned, never, inside = game(12, 6, 0.5)
    inside[:] = True
    never[:, 2] = 1.0  # a row whose variance is the floor
    alone = likelihood_ratios(unlearned, never, inside)
    rng = np.random.default_rng(7)
    wild, few = 50 * rng.normal(size=(2, 12, 4)), np.repeat(np.arange(12)[:, None] < 3, 4, axis=1)  # three models had each of four rows
    beside = likelihood_ratios(*(np.concatenate(pair, axis=1) for pair in ((unlearned, wild[0]), (never, wild[1]), (inside, few))))
    assert np.isnan(beside.positive[:, 6:]).all()
    for found, expected in ((beside.positive, alone.positive), (beside.negative, alone.negative)):
        assert found[:, :6] == pytest.approx(expected, rel=1e-9)


def test_with_many_models_the_ratio_is_the_analytic_one() -> None:
    rng = np.random.default_rng(1)
    unlearned, never = 1 + 2 * rng.normal(size=(40000, 1)), rng.normal(size=(40000, 1))
    found = likelihood_ratios(unlearned, never, np.ones((40000, 1), bool))
    exact = norm.logpdf(unlearned, 1, 2) - norm.logpdf(unlearned, 0, 1)
    assert np.abs(found.positive - exact).max() < 0.6
    assert np.abs(found.positive - exact).mean() < 0.05


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.5])
def test_a_known_shift_gives_the_known_area(shift: float) -> None:
    found = area_interval(likelihood_ratios(*game(80, 60, shift)), ("test",))
    assert found.low <= norm.cdf(shift / np.sqrt(2)) <= found.high
    assert found.high - found.low < 0.1


def test_larger_shifts_are_found_more_often() -> None:
    found = [area_interval(likelihood_ratios(*game(40, 40, shift)), ("test",)) for shift in (0.0, 0.3, 0.8, 2.0)]
    assert [one.value for one in found] == sorted(one.value for one in found)
    assert not found[0].overlaps(found[2])


def test_a_ratio_without_the_log_sigma_terms_misses_models_that_only_vary_more() -> None:
    unlearned, never, inside = game(80, 60, 0.0, ratio=0.25)
    whole = area(*likelihood_ratios(unlearned, never, inside).groups)
    faulty = []
    for z in (unlearned, never):
        logs = [-((z - other.mean(axis=0)) ** 2) / (2 * other.var(axis=0)) for other in (unlearned, never)]
        faulty.append((logs[0] - logs[1])[inside])
    assert whole > 0.75
    assert balanced_accuracy(*likelihood_ratios(unlearned, never, inside).groups) > 0.7
    assert balanced_accuracy(*faulty) < 0.55  # without them no ratio is above 0: every model is called never seen


def test_a_judged_model_in_its_own_fit_would_look_guilty() -> None:
    unlearned, never, inside = game(8, 300, 0.0)
    honest = area_interval(likelihood_ratios(unlearned, never, inside), ("test",))
    assert honest.low <= 0.5 <= honest.high
    enough = inside.sum(axis=0) >= 4
    unlearned, never, usable = (z[:, enough] for z in (unlearned, never, inside))
    fits = [(np.mean(z, axis=0, where=usable), np.std(z, axis=0, where=usable)) for z in (unlearned, never)]
    scores = [(norm.logpdf(z, *fits[0]) - norm.logpdf(z, *fits[1]))[usable] for z in (unlearned, never)]
    assert area(*scores) > honest.high + 0.1


def test_areas_equal_counted_pairs_with_weights_and_ties() -> None:
    rng = np.random.default_rng(2)
    positive, negative = rng.integers(0, 5, 30).astype(float), rng.integers(0, 5, 20).astype(float)
    pairs = [(p > n) + (p == n) / 2 for p, n in product(positive, negative)]
    assert area(positive, negative) == pytest.approx(np.mean(pairs))
    assert np.isnan(area(positive, negative[:0]))
    scored = Scored(np.array([[1.0, np.nan], [3.0, 1.0]]), np.array([[0.0, 2.0], [2.0, 1.0]]))
    assert areas_by_row(scored).tolist() == [0.75, 0.25]


def test_intervals_cover_models_as_well_as_rows() -> None:
    """Two models that differ from all others say less than sixty rows make believe."""
    rng = np.random.default_rng(3)
    offsets = rng.normal(size=(6, 1))
    few = Scored(offsets + 0.1 * rng.normal(size=(6, 400)), rng.normal(size=(6, 1)) + 0.1 * rng.normal(size=(6, 400)))
    found = area_interval(few, ("test",))
    assert found.high - found.low > 0.2
    assert area_interval(few, ("test",)) == found
    assert area_interval(few, ("other",)) != found


def test_rates_that_too_few_rows_cannot_resolve_are_none() -> None:
    positive, negative = np.arange(100.0) + 50, np.arange(100.0)
    assert true_positive_rate(positive, negative, 0.001) is None
    assert true_positive_rate(positive, negative, 0.01) == pytest.approx(0.51)  # above 98: one negative, 99, is beyond it
    assert true_positive_rate(positive, negative, 1.0) == 1.0
    brute = max((positive > t).mean() for t in negative if (negative > t).mean() <= 0.05)
    assert true_positive_rate(positive, negative, 0.05) == pytest.approx(brute)


def kernel_game(shift: float, scale: float) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(4)
    inside = rng.random((60, 40)) < 0.5
    unlearned, never, _ = game(60, 40, shift, seed=5, scale=scale)
    return unlearned, never, inside


def test_kernel_ratios_equal_a_loop() -> None:
    unlearned, reference, inside = kernel_game(0.5, 1.0)
    inside[:, 3] = True
    found = kernel_ratios(unlearned, reference, inside, width=0.7)
    assert np.isnan(found.positive[:, 3]).all()
    for k, x in product(range(0, 60, 7), range(0, 40, 5)):
        others = np.arange(60) != k
        z = unlearned[k, x] if inside[k, x] else reference[k, x]
        mine = unlearned[inside[:, x] & others, x]
        theirs = reference[~inside[:, x] & others, x]
        logs = [np.log(np.exp(-(((z - samples) / 0.7) ** 2) / 2).mean()) for samples in (mine, theirs)]
        assert (found.positive if inside[k, x] else found.negative)[k, x] == pytest.approx(logs[0] - logs[1])
        assert np.isnan((found.negative if inside[k, x] else found.positive)[k, x])


def test_kernel_ratios_find_shifts_at_any_scale_and_nothing_where_there_is_none() -> None:
    equal = area_interval(kernel_ratios(*kernel_game(0.0, 0.1)), ("test",))
    assert equal.low <= 0.5 <= equal.high
    shifted = area(*kernel_ratios(*kernel_game(2.0, 0.1)).groups)
    assert shifted == pytest.approx(norm.cdf(2 / np.sqrt(2)), abs=0.05)
    assert area(*kernel_ratios(*kernel_game(2.0, 10.0)).groups) == pytest.approx(shifted, abs=0.03)


def test_kernels_of_width_one_lose_power_where_margins_spread_less() -> None:
    """Equal means, other spreads: kernels ten times as wide as the margins' spread see one density in both groups."""
    rng = np.random.default_rng(6)
    inside = rng.random((60, 40)) < 0.5
    unlearned, reference = 0.02 * rng.normal(size=(60, 40)), 0.1 * rng.normal(size=(60, 40))
    right, fixed = (balanced_accuracy(*kernel_ratios(unlearned, reference, inside, width=width).groups) for width in (None, 1.0))
    assert right > 0.75
    assert abs(fixed - 0.5) < right - 0.5 - 0.1
