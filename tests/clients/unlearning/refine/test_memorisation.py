"""Memorisation: the subset estimator against leaving one out, and proxies against a plain loop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from clients.data.rows import Rows
from clients.unlearning.refine.groups import refined, shuffled
from clients.unlearning.refine.memorisation import Bools, estimate, memorisation, proxies, subsets, together
from tests.clients.unlearning.deep.small import rows, trained

CHANCE = np.random.default_rng(3)
X = np.concatenate([CHANCE.normal(size=(30, 2)), CHANCE.normal(size=(30, 2)) + 9])
Y = np.repeat([0, 1], 30)


def nearest(x: Any, y: Any) -> Any:
    """Return the answers of one nearest neighbour trained on each subset."""

    def answers(inside: Bools) -> Bools:
        distances = ((x[:, None] - x[None]) ** 2).sum(2)
        return np.array([y[mask][distances[:, mask].argmin(1)] == y for mask in inside])

    return answers


def test_a_flipped_label_is_memorised_and_a_row_held_twice_is_not() -> None:
    x, y = np.concatenate([X, X[:1]]), np.concatenate([Y, Y[:1]])
    y[10] = 1 - y[10]
    found = memorisation(np.arange(61), nearest(x, y), 200, 0.7, ("m",))
    assert found.value[10] > 0.95
    assert abs(found.value[0]) < 0.1
    assert (found.had + found.missed == 200).all()
    assert (found.error[~np.isnan(found.error)] < 0.1).all()


def test_of_one_nearest_neighbour_it_is_one_where_the_nearest_other_row_differs() -> None:
    """Leaving one out by brute force."""
    x = CHANCE.normal(size=(25, 2))
    y = (CHANCE.random(25) < 0.5).astype(int)
    distances = ((x[:, None] - x[None]) ** 2).sum(2) + np.diag(np.full(25, np.inf))
    inside = np.concatenate([np.ones((25, 25), bool), ~np.eye(25, dtype=bool)])
    found = estimate(inside, nearest(x, y)(inside))
    assert (found.value == (y[distances.argmin(1)] != y)).all()
    assert found.missed.tolist() == [1] * 25


def test_subsets_are_drawn_by_key_and_have_their_share() -> None:
    found = subsets(np.arange(50), 8, 0.7, ("k",))
    assert (found.sum(1) == 35).all()
    assert (found == subsets(np.arange(50), 8, 0.7, ("k",))).all()
    assert (found != subsets(np.arange(50), 8, 0.7, ("other",))).any()
    assert np.isnan(estimate(np.ones((2, 3), bool), np.ones((2, 3), bool)).value).all()


def test_proxies_are_means_over_the_epochs_of_a_training() -> None:
    _, learning = trained()
    found = proxies(learning, rows())
    own, right = np.zeros(90), np.zeros(90)
    now = learning.initial()
    for epoch in range(4):
        now, _ = learning.network.train(
            now, rows().x, rows().y, epochs=range(epoch, epoch + 1), ids=rows().ids, key=learning.key, settings=learning.training
        )
        answers = learning.network.probabilities(now, rows().x)
        own += answers[np.arange(90), rows().y] / 4
        right += (answers.argmax(1) == rows().y) / 4
    np.testing.assert_allclose(found.confidence, own, rtol=1e-6)
    np.testing.assert_allclose(found.accuracy, right)
    assert found.steps == 2 * learning.training.steps(90)


def test_proxies_are_low_where_labels_were_flipped() -> None:
    _, usual = trained()
    flipped = np.arange(90) % 11 == 0
    data = Rows(rows().ids, rows().x, np.where(flipped, (rows().y + 3) % 10, rows().y))
    found = proxies(replace(usual, training=usual.training.model_copy(update={"epochs": 12})), data)
    for one in (found.confidence, found.accuracy):
        assert one[flipped].mean() < 0.5 * one[~flipped].mean()


def test_networks_are_trained_on_their_subsets_as_one_by_one() -> None:
    _, learning = trained()
    inside = subsets(rows().ids, 3, 0.5, ("k",))
    right = together(learning, rows())(inside)
    for mask, found in zip(inside, right, strict=True):
        weights = learning.initial()
        for number in range(2):
            weights, _ = learning.train(weights, rows().keep(mask), range(number, number + 1))
        assert (found == (learning.network.probabilities(weights, rows().x).argmax(1) == rows().y)).mean() > 0.97, "to rounding"
    assert (right[0] != right[1]).any()


def test_groups_are_even_ascending_and_the_whole_set() -> None:
    ids, scores = np.arange(100, 111), CHANCE.random(11)
    groups = refined(ids, scores, 3, ("k",))
    assert sorted(len(one) for one in groups) == [3, 4, 4]
    assert np.sort(np.concatenate(groups)).tolist() == ids.tolist()
    highest = [scores[one - 100].max() for one in groups]
    lowest = [scores[one - 100].min() for one in groups]
    assert highest[0] <= lowest[1] <= highest[1] <= lowest[2]
    tied = refined(ids, np.zeros(11), 3, ("k",))
    assert [one.tolist() for one in tied] == [one.tolist() for one in refined(ids, np.zeros(11), 3, ("k",))]
    assert any((one != other).any() for one, other in zip(tied, refined(ids, np.zeros(11), 3, ("l",)), strict=True))
    assert [len(one) for one in shuffled(ids, 3, ("k",))] == [4, 4, 3]
    assert any(set(one) != set(other) for one, other in zip(groups, shuffled(ids, 3, ("k",)), strict=True))
