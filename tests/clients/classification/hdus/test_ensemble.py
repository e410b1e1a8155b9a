"""The ensemble: weights sum to one, order does not matter, and no case gives NaN."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from clients.classification.hdus.ensemble import Ensemble, Member, combine

RULES = ["uniform", "size", "class", "confidence"]
K = 4


def members(count: int = 4, rows: int = 50) -> list[Member]:
    draw = np.random.default_rng(3)
    return [Member(9 - owner, draw.dirichlet(np.ones(K), rows).astype(np.float32), draw.integers(0, 30, K)) for owner in range(count)]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("self_weight", ["share", 0.0, 0.3, 1.0])
@pytest.mark.parametrize("prior", ["own", "even"])
def test_answers_are_probabilities_in_any_order_of_the_seeds(rule: str, self_weight: str | float, prior: str) -> None:
    own, *seeds = members()
    settings = Ensemble(weights=rule, self_weight=self_weight, prior=prior)
    answers = {combine(settings, own, list(order)).tobytes() for order in permutations(seeds)}
    assert len(answers) == 1
    answer = combine(settings, own, seeds)
    assert answer.dtype == np.float64
    np.testing.assert_allclose(answer.sum(axis=1), 1, rtol=1e-6)
    assert (answer >= 0).all()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("self_weight", ["share", 0.25])
@pytest.mark.parametrize("prior", ["own", "even"])
def test_without_seeds_the_answer_is_the_peers_own(rule: str, self_weight: str | float, prior: str) -> None:
    own = members()[0]
    assert np.array_equal(combine(Ensemble(weights=rule, self_weight=self_weight, prior=prior), own, []), own.probabilities)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("self_weight", ["share", 0.25])
@pytest.mark.parametrize("prior", ["own", "even"])
def test_nobody_holds_a_row(rule: str, self_weight: str | float, prior: str) -> None:
    empty = [Member(member.owner, member.probabilities, np.zeros(K, np.int64)) for member in members()]
    assert np.isfinite(combine(Ensemble(weights=rule, self_weight=self_weight, prior=prior), empty[0], empty[1:])).all()


def test_a_class_nobody_holds_is_weighted_alike() -> None:
    histograms = [np.array([5, 0, 1, 0]), np.array([0, 7, 1, 0])]
    one, two = (Member(owner, member.probabilities, histograms[owner]) for owner, member in enumerate(members(2)))
    raw = combine(Ensemble(weights="class"), one, [two])
    p, q = one.probabilities.astype(float), two.probabilities.astype(float)
    expected = np.stack(
        [
            (5.1 * p[:, 0] + 0.1 * q[:, 0]) / 5.2,
            (0.1 * p[:, 1] + 7.1 * q[:, 1]) / 7.2,
            (p[:, 2] + q[:, 2]) / 2,
            (p[:, 3] + q[:, 3]) / 2,
        ],
        axis=1,
    )
    np.testing.assert_allclose(raw, expected / expected.sum(axis=1, keepdims=True), rtol=1e-12)


def test_uniform_size_and_confidence_by_hand() -> None:
    own, *seeds = members(3)
    p = np.stack([member.probabilities.astype(float) for member in (own, *seeds)])
    np.testing.assert_allclose(combine(Ensemble(weights="uniform"), own, seeds), p.mean(axis=0), rtol=1e-6)
    sizes = np.array([member.histogram.sum() for member in (own, *seeds)], dtype=float)
    np.testing.assert_allclose(combine(Ensemble(weights="size"), own, seeds), np.tensordot(sizes / sizes.sum(), p, 1), rtol=1e-6)
    entropy = -(p * np.log(p)).sum(axis=2)
    weights = np.exp(-4 * entropy) / np.exp(-4 * entropy).sum(axis=0)
    np.testing.assert_allclose(combine(Ensemble(weights="confidence"), own, seeds), (weights[:, :, None] * p).sum(axis=0), rtol=1e-6)


def test_confidence_takes_certain_answers() -> None:
    sure = Member(0, np.eye(K, dtype=np.float32), np.ones(K, np.int64))
    unsure = Member(1, np.full((K, K), 1 / K, np.float32), np.ones(K, np.int64))
    answer = combine(Ensemble(weights="confidence"), unsure, [sure])
    assert (answer.argmax(axis=1) == np.arange(K)).all()
    assert (np.diag(answer) > 0.95).all()


def test_own_share_is_the_number_given() -> None:
    own, *seeds = members()
    rest = combine(Ensemble(weights="class", self_weight=0.0), own, seeds)
    mixed = combine(Ensemble(weights="class", self_weight=0.8), own, seeds)
    np.testing.assert_allclose(mixed, 0.8 * own.probabilities.astype(float) + 0.2 * rest, rtol=1e-12)
    np.testing.assert_array_equal(combine(Ensemble(self_weight=1.0), own, seeds), own.probabilities)


def test_an_even_prior_takes_each_peers_class_mix_out() -> None:
    likelihoods = np.random.default_rng(5).dirichlet(np.ones(K), 200)  # p(x | class) for 200 inputs, up to a factor an input
    histograms = [np.array([9000, 1000, 2000, 500]), np.array([300, 8000, 40, 7000])]
    joint = [likelihoods * histogram for histogram in histograms]
    one, two = (Member(k, p / p.sum(axis=1, keepdims=True), histograms[k]) for k, p in enumerate(joint))  # each right for its own mix
    for rule in RULES:
        for self_weight in ("share", 0.3):
            even = combine(Ensemble(weights=rule, self_weight=self_weight, prior="even"), one, [two])
            np.testing.assert_allclose(even, likelihoods, atol=2e-3)
            own = combine(Ensemble(weights=rule, self_weight=self_weight), one, [two])
            assert (own.argmax(axis=1) != likelihoods.argmax(axis=1)).mean() > 0.1


def test_an_even_prior_leaves_a_peer_with_even_classes_alone() -> None:
    even = [Member(member.owner, member.probabilities, np.full(K, 6)) for member in members()]
    np.testing.assert_allclose(combine(Ensemble(prior="even"), even[0], even[1:]), combine(Ensemble(), even[0], even[1:]), rtol=1e-6)


def test_the_leavers_histogram_matters() -> None:
    own, left, *rest = members()
    assert not np.array_equal(combine(Ensemble(), own, [left, *rest]), combine(Ensemble(), own, rest))


def test_two_answers_give_away_the_seed_that_was_dropped_between_them() -> None:
    """Equal weights over n + 1 members, then over n: exact deletion does not protect from who asked before and asks again."""
    totals = [one.probabilities.sum(axis=1, dtype=np.float64, keepdims=True) for one in members()]
    own, *seeds = (Member(one.owner, one.probabilities / total, one.histogram) for one, total in zip(members(), totals, strict=True))
    settings = Ensemble(weights="uniform")
    before, after = combine(settings, own, seeds), combine(settings, own, seeds[1:])
    found = (len(seeds) + 1) * before - len(seeds) * after
    np.testing.assert_allclose(found, seeds[0].probabilities, rtol=0, atol=1e-9)
    assert np.abs(found - seeds[1].probabilities).max() > 0.1
    confident = Ensemble(weights="confidence")
    before, after = combine(confident, own, seeds), combine(confident, own, seeds[1:])
    assert np.abs((len(seeds) + 1) * before - len(seeds) * after - seeds[0].probabilities).max() > 0.01
