"""Entanglement: what it does not depend on, what it grows with, and that peers' sums give the pooled score."""

from __future__ import annotations

from functools import reduce
from operator import add

import numpy as np
import pytest

from clients.unlearning.refine.entanglement import Moments, entanglement, expected

CHANCE = np.random.default_rng(0)
FORGET, RETAIN = CHANCE.normal(size=(40, 6)) + 0.3, CHANCE.normal(size=(300, 6))


def plainly(forget: np.ndarray, retain: np.ndarray, centre: str) -> float:
    """Return the score by the formula, row by row."""
    mus = forget.mean(0), retain.mean(0)
    mu = np.concatenate([forget, retain]).mean(0) if centre == "pooled" else (mus[0] + mus[1]) / 2
    within = sum(((side - mean) ** 2).sum(1).mean() for side, mean in zip((forget, retain), mus, strict=True))
    return float(within / (0.5 * sum(((mean - mu) ** 2).sum() for mean in mus)))


def score(forget: np.ndarray, retain: np.ndarray, centre: str = "pooled") -> float:
    return entanglement(Moments.of(forget), Moments.of(retain), centre)  # type: ignore[arg-type]


@pytest.mark.parametrize("centre", ["pooled", "midpoint"])
def test_the_score_is_that_of_the_formula(centre: str) -> None:
    assert score(FORGET, RETAIN, centre) == pytest.approx(plainly(FORGET, RETAIN, centre), rel=1e-10)


def test_shift_rotation_and_scaling_leave_it() -> None:
    turn = np.linalg.qr(CHANCE.normal(size=(6, 6)))[0]
    forget, retain = (3.7 * side @ turn + 11 for side in (FORGET, RETAIN))
    assert score(forget, retain) == pytest.approx(score(FORGET, RETAIN), rel=1e-9)


def test_the_two_centres_differ_by_a_known_factor() -> None:
    p = len(FORGET) / (len(FORGET) + len(RETAIN))
    assert score(FORGET, RETAIN, "midpoint") == pytest.approx(2 * (p**2 + (1 - p) ** 2) * score(FORGET, RETAIN), rel=1e-12)


def test_a_far_cluster_scores_far_lower_than_a_random_set_whose_score_is_known() -> None:
    rows = CHANCE.normal(size=(400, 6))
    random = []
    for _ in range(300):
        mixed = CHANCE.permutation(rows)
        random.append(1 / score(mixed[:40], mixed[40:]))
    assert 1 / np.mean(random) == pytest.approx(expected(40, 400), rel=0.1)
    assert score(rows[:40] + 5, rows[40:]) < 0.02 * expected(40, 400)
    assert expected(40, 400, "midpoint") / expected(40, 400) == pytest.approx(2 * (0.1**2 + 0.9**2))


def test_the_sums_of_peers_give_the_pooled_score() -> None:
    peers = np.array_split(RETAIN, [3, 90, 200])
    added = reduce(add, map(Moments.of, peers))
    found = entanglement(Moments.of(FORGET[:7]) + Moments.of(FORGET[7:]), added)
    assert found == pytest.approx(plainly(FORGET, RETAIN, "pooled"), rel=1e-9)
    batches = [Moments.of(part) for part in peers]  # the fault: the mean of batch means
    biased = Moments(len(batches), np.sum([one.mean for one in batches], 0), 0.0).mean
    assert np.abs(biased - RETAIN.mean(0)).max() > 1e-3


def test_empty_sides_are_refused_and_equal_means_are_entangled_beyond_measure() -> None:
    nobody = Moments.of(np.empty((0, 6)))
    for sides in ((nobody, Moments.of(RETAIN)), (Moments.of(FORGET), nobody)):
        with pytest.raises(ValueError, match="holds no row"):
            entanglement(*sides)
    assert score(np.array([[1.0], [-1.0]]), np.array([[2.0], [-2.0]])) == np.inf
