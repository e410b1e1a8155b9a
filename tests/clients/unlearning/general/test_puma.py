"""PUMA: to first order the criteria stay, the weights are sparse and in their box, and rows near forgotten ones get none."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from clients.data.bundled import Digits
from clients.data.rows import Rows
from clients.models.linear import Linear
from clients.models.network import Network
from clients.training import Arrays, Sgd, Training
from clients.unlearning.contract import UnlearningError
from clients.unlearning.general import puma
from clients.unlearning.general.contract import Learning
from clients.unlearning.general.curvature import Curvature
from clients.unlearning.general.derivatives import Local
from clients.unlearning.general.influence import Influence
from clients.unlearning.general.puma import Puma
from clients.unlearning.general.reweighting import descend, sparse_weights
from server.audit.membership import Predictions, membership_auc
from tests.clients.unlearning.general.test_influence import asked, distance, trained
from tests.clients.unlearning.general.test_influence import rows as made

TRAINING = Training(epochs=60, batch_size=400, optimizer=Sgd(lr=1.0, weight_decay=1e-2))
Case = tuple[Learning, Arrays, Rows, Rows]


@cache
def case(seed: int) -> Case:
    """Return digits, learnt to the optimum: learning, weights, four rows to forget, and the others."""
    data = Digits().load()
    order = np.random.default_rng(seed).permutation(len(data))
    rows, validation = data.rows(np.sort(order[:300])), data.rows(np.sort(order[300:600]))
    learning = Learning(Network(Linear(), data.shape, 10), TRAINING, 1, ("puma", seed), validation)
    return learning, learning.train(learning.initial(), rows, range(1))[0], rows.only(order[:4]), rows.without(order[:4])


def loss(learning: Learning, weights: Arrays, rows: Rows) -> float:
    answers = learning.network.probabilities(weights, rows.x).astype(float)[np.arange(len(rows)), rows.y]
    return float(-np.log(answers).mean())


def criteria(learning: Learning, weights: Arrays) -> np.ndarray:
    rows = learning.validation
    assert rows is not None
    return np.array([loss(learning, weights, part) for part in (rows, *(rows.keep(rows.y == label) for label in range(10)))])


def moved(weights: Arrays, there: Arrays, share: float) -> Arrays:
    return {name: weights[name] + share * (there[name] - weights[name]) for name in weights}


def ratio(seed: int, settings: Puma) -> float:
    """Return how many times further influence alone moves the criteria, scaled to the same loss on what is forgotten."""
    learning, weights, forget, retain = case(seed)
    found = settings.apply(weights, learning, forget, retain, ())[0]
    naive = Influence(products="gauss_newton", damping=0.0).apply(weights, learning, forget, retain, ())[0]
    low, high = 0.0, 4.0
    for _ in range(25):
        middle = (low + high) / 2
        less = loss(learning, moved(weights, naive, middle), forget) < loss(learning, found, forget)
        low, high = (middle, high) if less else (low, middle)
    before = criteria(learning, weights)
    naively = np.abs(criteria(learning, moved(weights, naive, low)) - before).mean()
    return float(naively / np.abs(criteria(learning, found) - before).mean())


def test_criteria_move_five_times_less_than_by_influence_alone_at_equal_forgetting() -> None:
    assert min(ratio(seed, Puma(damping=0.0)) for seed in (0, 1, 2)) > 5


def test_weights_with_the_wrong_sign_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Puma.lifts
    monkeypatch.setattr(Puma, "lifts", lambda *args: -honest(*args))
    assert ratio(0, Puma(damping=0.0)) < 2


def test_no_criterion_keeps_the_loss_on_a_class_that_goes() -> None:
    learning, weights, forget, retain = case(0)
    assert learning.validation is not None
    curvature = Curvature(learning.network, weights, learning.training)
    kept = retain.keep(retain.y != 3)
    found = Puma().criteria(curvature, learning.validation, np.unique(kept.y))
    others = learning.validation.keep(learning.validation.y != 3)
    assert len(found) == 10
    np.testing.assert_allclose(found[0], curvature.loss_gradient(others) / len(others))
    none = replace(learning, validation=learning.validation.keep(learning.validation.y == 3))
    with pytest.raises(UnlearningError, match="none is of a class that is kept"):
        Puma().apply(weights, none, forget, kept, ())


def test_criteria_on_the_forgotten_rows_themselves_are_noticed() -> None:
    learning, weights, forget, retain = case(0)
    found = Puma(damping=0.0).apply(weights, replace(learning, validation=forget), forget, retain, ())[0]
    honest = Puma(damping=0.0).apply(weights, learning, forget, retain, ())[0]
    rise, wanted = (loss(learning, one, forget) - loss(learning, weights, forget) for one in (found, honest))
    assert rise < 0.2 * wanted, "what keeps the loss of forgotten rows forgets nothing"


def test_the_predicted_change_of_a_criterion_is_the_measured_one_for_small_steps() -> None:
    learning, weights, forget, retain = case(0)
    curvature = Curvature(learning.network, weights, TRAINING)
    gradient = Puma().criteria(curvature, retain, np.unique(retain.y))[1]
    eta = 1e-2
    rows = asked(Local(curvature, forget, retain))
    step = Puma(damping=0.0)._solve(rows, rows.gradient()).x
    direction = Puma(damping=0.0)._solve(rows, gradient).x
    predicted = eta * float(curvature.slopes(forget, direction).sum())
    part = retain.keep(retain.y == retain.y.min())
    before, bent = curvature.loss_gradient(part) / len(part), Curvature(learning.network, weights, TRAINING)
    bent.move(eta * step)
    after = bent.loss_gradient(part) / len(part)
    assert float((before + after) / 2 @ (eta * step)) == pytest.approx(predicted, rel=1e-2)


def test_without_weights_it_is_influence() -> None:
    learning, weights, forget, retain = case(0)
    found, outcome = Puma(damping=0.0, limit=1e-12).apply(weights, learning, forget, retain, ())
    naive = Influence(products="gauss_newton", damping=0.0).apply(weights, learning, forget, retain, ())[0]
    assert distance(found, naive) < 1e-6
    assert outcome.guarantee == "approximate"


def test_near_duplicates_of_forgotten_rows_get_no_weight() -> None:
    learning, weights, forget, retain = case(0)
    twins = Rows(10_000 + np.arange(len(forget)), forget.x + np.float32(0.01), forget.y)
    more = retain.joined(twins)
    assert not np.isin(twins.ids, Puma().sampled(forget, more, ()).ids).any()
    assert np.isin(twins.ids, Puma(guard=0.0).sampled(forget, more, ()).ids).all()
    guarded, open_ = (Puma(damping=0.0, guard=guard).apply(weights, learning, forget, more, ())[0] for guard in (0.5, 0.0))
    assert loss(learning, guarded, forget) > loss(learning, open_, forget)


def test_equals_of_forgotten_rows_get_no_weight_however_many_they_are() -> None:
    _, _, forget, retain = case(0)
    count = 3 * len(retain)
    equals = Rows(20_000 + np.arange(count), np.repeat(forget.x[:1], count, 0), np.repeat(forget.y[:1], count))
    more = retain.joined(equals)
    assert set(Puma(sample=len(more)).sampled(forget, more, ()).ids) <= set(retain.ids)
    assert set(equals.ids) <= set(Puma(sample=len(more), guard=0.0).sampled(forget, more, ()).ids), "the control"


def test_the_sample_is_of_the_asked_size_and_keyed() -> None:
    _, _, forget, retain = case(0)
    first = Puma(sample=50, guard=0.0).sampled(forget, retain, ("a",)).ids
    assert len(first) == 50
    assert (first == Puma(sample=50, guard=0.0).sampled(forget, retain, ("a",)).ids).all()
    assert (first != Puma(sample=50, guard=0.0).sampled(forget, retain, ("b",)).ids).any()


def test_sparse_weights_stay_in_their_box_and_cancel_what_they_can() -> None:
    chance = np.random.default_rng(0)
    influence, effect = chance.normal(size=(4, 200)), chance.normal(size=4)
    found = sparse_weights(influence, effect, 5.0, 0.1)
    assert 0 < np.count_nonzero(found) <= 20
    assert ((found >= 0) & (found <= 5)).all()
    assert np.linalg.norm(influence @ found - effect) < 1e-3 * np.linalg.norm(effect)
    tight = sparse_weights(influence, 100 * effect, 0.5, 0.1)
    assert tight.max() == 0.5
    assert not sparse_weights(np.abs(influence), -np.abs(effect), 5.0, 0.1).any(), "nothing that adds can take away"
    assert sparse_weights(np.empty((4, 0)), effect, 5.0, 0.1).shape == (0,)


def test_descent_ends_where_no_weight_can_be_bettered() -> None:
    chance = np.random.default_rng(1)
    influence, effect, omega = chance.normal(size=(3, 30)), chance.normal(size=3), 0.2
    found = descend(influence, effect, 0.3, omega, np.zeros(30))
    slope = 2 * influence.T @ (influence @ found - effect) + omega
    assert (np.abs(slope[(found > 0) & (found < 0.3)]) < 1e-6).all()
    assert (slope[found == 0] > -1e-6).all()
    assert (slope[found == 0.3] < 1e-6).all()


def test_without_validation_rows_it_refuses_and_without_kept_ones_nothing_is_left() -> None:
    learning, weights, forget, retain = case(0)
    with pytest.raises(UnlearningError, match=r"set data\.validation"):
        Puma().apply(weights, replace(learning, validation=None), forget, retain, ())
    found, outcome = Puma().apply(weights, learning, retain, retain.without(retain.ids), ())
    assert outcome.guarantee == "exact"
    assert distance(found, learning.initial()) == 0
    assert puma.Puma.needs_validation


@pytest.mark.parametrize("settings", [{"eta": 0.0}, {"share": 0.0}, {"limit": 0.0}, {"guard": -1.0}, {"sample": 0}, {"damping": -1.0}])
def test_bad_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(settings))):
        Puma(**settings)


def influences(learning: Learning, weights: Arrays, data: Rows, validation: Rows) -> np.ndarray:
    """Return the influence of each row on the mean loss on validation rows: below 0 of a row that hurts."""
    curvature = Curvature(learning.network, weights, learning.training)
    rows = asked(Local(curvature, data.keep(np.zeros(len(data), bool)), data))
    rows.kept()
    direction = Puma(damping=0.0)._solve(rows, curvature.loss_gradient(validation) / len(validation)).x
    return np.asarray(curvature.slopes(data, direction).numpy())


@pytest.mark.slow
def test_influences_rank_rows_as_training_without_each_does() -> None:
    small = Training(epochs=250, batch_size=1000, optimizer=Sgd(lr=1.0, weight_decay=0.05))
    data, validation = made(40, 3), made(200, 4)
    weights, learning = trained(data, training=small)
    before = loss(learning, weights, validation)
    changes = [loss(learning, trained(data.without(row), training=small)[0], validation) - before for row in data.ids[::4]]
    assert spearmanr(changes, influences(learning, weights, data, validation)[::4]).statistic > 0.95


def test_influences_find_wrong_labels() -> None:
    areas = []
    for seed in (0, 1, 2):
        learning, _, forget, retain = case(seed)
        assert learning.validation is not None
        data, chance = retain.joined(forget), np.random.default_rng(seed)
        wrong = np.isin(np.arange(len(data)), chance.choice(len(data), len(data) // 10, replace=False))
        y = np.where(wrong, (data.y + chance.integers(1, 10, len(data))) % 10, data.y)
        spoiled = Rows(data.ids, data.x, y)
        weights, _ = learning.train(learning.initial(), spoiled, range(1))
        losses = -np.log(learning.network.probabilities(weights, data.x).astype(float)[np.arange(len(data)), y])
        psi = influences(learning, weights, spoiled, learning.validation)
        areas.append([roc_auc_score(wrong, -psi), roc_auc_score(wrong, losses)])
    by_influence, by_loss = np.mean(areas, axis=0)
    assert by_influence > 0.9
    assert by_loss > 0.9, "what such rows cost tells them apart, too: no gain over it was seen"


@pytest.mark.slow
def test_membership_of_forgotten_rows_is_within_the_spread_of_retraining() -> None:
    found: dict[str, list[float]] = {"puma": [], "retrained": [], "nothing": []}
    for seed in range(5):
        learning, weights, _, _ = case(seed)
        assert learning.validation is not None
        rows = case(seed)[3].joined(case(seed)[2])
        forget, retain = rows.only(rows.ids[::10]), rows.without(rows.ids[::10])
        never, _ = learning.train(learning.initial(), retain, range(1))
        after, _ = Puma(damping=0.0).apply(weights, learning, forget, retain, ())
        for name, one in (("puma", after), ("retrained", never), ("nothing", weights)):
            parts = [Predictions(learning.network.probabilities(one, part.x), part.y) for part in (forget, learning.validation)]
            found[name].append(float(membership_auc(*parts) or 0.0))
    puma, retrained, nothing = (np.array(values) for values in found.values())
    assert (nothing > retrained).all(), "the attack works"
    assert abs(puma.mean() - retrained.mean()) < retrained.std(ddof=1)
    assert (nothing - puma).mean() > 0.5 * (nothing - retrained).mean()
