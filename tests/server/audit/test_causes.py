"""Causes: wrong labels are found by the failures that they make, at every holder alike, and forgetting them helps failures held out."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
import torch

from clients.data.bundled import Digits
from clients.data.rows import Rows
from clients.models.cnn import Cnn
from clients.models.linear import Linear
from clients.models.network import Network
from clients.training import Arrays, Sgd, Training
from clients.unlearning.general.contract import Learning
from clients.unlearning.general.curvature import Curvature
from clients.unlearning.general.repair import Repair
from server.audit.causes import Scores, clusters, direction, ranked, scores

TRAINING = Training(epochs=20, optimizer=Sgd(lr=0.3, weight_decay=1e-2))
SEEDS = (0, 1, 2)


class Case(NamedTuple):
    """A model of threes and eights, of which 15 % are called the other, with rows to fail on and others to measure by."""

    learning: Learning
    weights: Arrays
    rows: Rows
    wrong: np.ndarray
    validation: Rows
    test: Rows

    def curvature(self) -> Curvature:
        return Curvature(self.learning.network, self.weights, TRAINING)

    def failing(self, rows: Rows, weights: Arrays | None = None) -> Rows:
        answers = self.learning.network.probabilities(self.weights if weights is None else weights, rows.x).argmax(axis=1)
        return rows.keep(answers != rows.y)

    def without(self, gone: np.ndarray) -> Arrays:
        return Repair().apply(self.weights, self.learning, self.rows.only(gone), self.rows.without(gone), ())[0]


@cache
def case(seed: int) -> Case:
    data, chance = Digits().load(), np.random.default_rng(seed)
    ids = chance.permutation(np.flatnonzero(np.isin(data.y, (3, 8))))
    parts, right = np.array_split(ids, 3), (data.y == 8).astype(np.int64)
    train, validation, test = (Rows(np.sort(part), data.x[np.sort(part)], right[np.sort(part)]) for part in parts)
    wrong = np.concatenate([chance.choice(train.ids[train.y == c], int(0.15 * (train.y == c).sum()), replace=False) for c in (0, 1)])
    rows = Rows(train.ids, train.x, np.where(np.isin(train.ids, wrong), 1 - train.y, train.y))
    learning = Learning(Network(Linear(), (8, 8), 2), TRAINING, 1, ("causes", seed))
    return Case(learning, learning.train(learning.initial(), rows, range(1))[0], rows, wrong, validation, test)


@cache
def found(seed: int) -> Scores:
    one, curvature = case(seed), case(seed).curvature()
    precision = Repair().precision(curvature, [one.rows], one.rows.without(one.rows.ids), ("causes",))
    return scores(curvature, direction(curvature, precision, one.failing(one.validation)), one.rows)


def worst(seed: int, values: Scores) -> np.ndarray:
    one = case(seed)
    return one.rows.ids[np.argsort(-values, kind="stable")[: len(one.wrong)]]


def precision_at_k(seed: int, values: Scores) -> float:
    return float(np.isin(worst(seed, values), case(seed).wrong).mean())


def test_wrong_labels_stand_three_times_as_often_among_the_first_as_among_all() -> None:
    share = np.mean([len(case(seed).wrong) / len(case(seed).rows) for seed in SEEDS])
    assert np.mean([precision_at_k(seed, found(seed)) for seed in SEEDS]) > 3 * share
    random = [precision_at_k(seed, np.random.default_rng(seed).random(len(case(seed).rows))) for seed in SEEDS]
    assert np.mean(random) < 2 * share


def test_a_score_with_the_wrong_sign_is_noticed() -> None:
    share = np.mean([len(case(seed).wrong) / len(case(seed).rows) for seed in SEEDS])
    assert np.mean([precision_at_k(seed, -found(seed)) for seed in SEEDS]) < 2 * share


def test_forgetting_what_stands_first_helps_failures_held_out_and_forgetting_random_rows_does_not() -> None:
    helped, control, lost = [], [], []
    for seed in SEEDS:
        one, failing = case(seed), case(seed).failing(case(seed).test)
        random = np.random.default_rng(seed).choice(one.rows.ids, len(one.wrong), replace=False)
        repaired, other = one.without(worst(seed, found(seed))), one.without(random)
        helped.append(1 - len(one.failing(failing, repaired)) / len(failing))
        control.append(1 - len(one.failing(failing, other)) / len(failing))
        lost.append((len(one.failing(one.test, repaired)) - len(failing)) / len(one.test))
    assert np.mean(helped) > 0.5
    assert np.mean(control) < np.mean(helped) - 0.2
    assert np.mean(lost) < 0.01, lost


def test_figures_on_the_failures_that_were_ranked_by_say_too_much() -> None:
    """The fault: what is repaired is measured where it was looked for."""
    shares = []
    for seed in SEEDS:
        one = case(seed)
        repaired = one.without(worst(seed, found(seed)))
        parts = [one.failing(rows) for rows in (one.validation, one.test)]
        shares.append([1 - len(one.failing(part, repaired)) / len(part) for part in parts])
    there, held_out = np.mean(shares, axis=0)
    assert there > held_out


def test_scores_at_many_holders_are_those_of_all_rows_together() -> None:
    one, curvature = case(0), case(0).curvature()
    shares = [one.rows.only(part) for part in np.array_split(one.rows.ids, [5, 60])]
    precision = Repair().precision(curvature, shares, one.rows.without(one.rows.ids), ("causes",))
    towards = direction(curvature, precision, one.failing(one.validation))
    apart = np.concatenate([scores(curvature, towards, share) for share in shares])
    np.testing.assert_allclose(apart, found(0), rtol=1e-4, atol=1e-6)


def test_a_score_tells_how_the_failures_loss_falls_in_a_model_without_the_row() -> None:
    one, failing = case(0), case(0).failing(case(0).validation)

    def loss(weights: Arrays) -> float:
        answers = one.learning.network.probabilities(weights, failing.x)[np.arange(len(failing)), failing.y]
        return float(-np.log(answers).sum())

    places = np.argsort(found(0))[[0, 1, 2, 3, -4, -3, -2, -1]]
    fell = [loss(one.weights) - loss(one.without(one.rows.ids[[place]])) for place in places]
    assert np.corrcoef(fell, found(0)[places])[0, 1] > 0.95


def test_groups_are_ranked_by_the_sums_of_their_rows() -> None:
    causes = ranked(["a", "b", "a", "c"], np.array([2, 5, 7, 9]), np.array([1.0, 4.0, 2.0, -1.0]))
    assert [(cause.name, cause.ids, cause.score) for cause in causes] == [("b", (5,), 4.0), ("a", (2, 7), 3.0), ("c", (9,), -1.0)]


def test_the_penalty_is_no_part_of_the_failures_loss() -> None:
    curvature, one = case(0).curvature(), case(0)
    failing = one.failing(one.validation)
    precision = Repair().precision(curvature, [one.rows], one.rows.without(one.rows.ids), ("causes",))
    plain = Curvature(one.learning.network, one.weights, Training()).gradient(failing)
    torch.testing.assert_close(direction(curvature, precision, failing), precision.solve(plain))


@pytest.mark.parametrize("base", [Linear(), Cnn(channels=(2,))], ids=["linear", "cnn"])
def test_clusters_are_of_the_last_hidden_features_and_repeat(base: Linear | Cnn) -> None:
    network = Network(base, (1, 8, 8), 2)
    weights, x = network.initial(("w",)), case(0).rows.x.reshape(-1, 1, 8, 8)
    made = clusters(network, weights, x, 4, ("k",))
    assert set(made) == {0, 1, 2, 3}
    assert (made == clusters(network, weights, x, 4, ("k",))).all()
    assert len(set(clusters(network, weights, x[:2], 4, ("k",)))) == 2
