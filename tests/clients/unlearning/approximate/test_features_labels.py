"""Corrections in closed form: how near they come to training on the corrected rows, what they certify, and faults that are noticed."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pydantic import ValidationError
from torch import Tensor

from clients.data.rows import Column, Rows
from clients.unlearning.approximate.certified.correcting import Correcting
from clients.unlearning.approximate.certified.features_labels import FeaturesLabels
from clients.unlearning.contract import COST_NOTE, Problem
from clients.unlearning.convex.solver import minimise
from clients.unlearning.convex.spec import Convex
from tests.clients.unlearning.approximate.test_certified_removal import rows
from tests.clients.unlearning.convex.test_convex import exact_norm

SEEDS = range(5)


def correcting(data: Rows, key: int = 0, base: dict[str, Any] | None = None, **settings: Any) -> Correcting:
    """Return a trained model of two classes and three columns."""
    spec = FeaturesLabels(base=Convex(**(base or {})), **settings)
    model = Correcting(spec, Problem((3,), 2), ("correcting", key))
    model.fit(data)
    return model


def flipped(data: Rows, share: float) -> Rows:
    """Return the first rows of the class 1 as rows of the class 0, a share of all rows."""
    some = data.keep(data.y == 1)
    some = some.keep(np.arange(len(some)) < share * len(data))
    return Rows(some.ids, some.x, 1 - some.y)


def poisoned(data: Rows, share: float) -> tuple[Rows, Rows]:
    """Return the rows with wrong labels, and the right ones of those that are wrong."""
    wrong = flipped(data, share)
    return data.without(wrong.ids).joined(wrong), data.only(wrong.ids)


def other_values(data: Rows, count: int) -> Rows:
    """Return some rows with another value in the middle column."""
    some = data.keep(np.arange(len(data)) % 3 == 0).keep(np.arange(-(-len(data) // 3)) < count)
    x = some.x.copy()
    x[:, 1] = 1 - x[:, 1]
    return Rows(some.ids, x, some.y)


def distances(data: Rows, right: Rows, key: int = 0, **settings: Any) -> dict[str, float]:
    """Return how far doing nothing, a first- and a second-order step are from the optimum on the corrected rows."""
    whole = data.without(right.ids).joined(right)
    target = correcting(whole, key, **settings).weights
    found = {"nothing": float((correcting(data, key, **settings).weights - target).norm())}
    for order in ("first", "second"):
        model = correcting(data, key, order=order, **settings)
        model.correct(right)
        found[order] = float((model.weights - target).norm())
    return found


def test_the_more_rows_change_and_the_less_is_penalised_the_more_is_left() -> None:
    data = rows(400)
    left = {}
    for penalty, share in product((1e-3, 1e-2), (0.02, 0.1)):
        wrong, right = poisoned(data, share)
        found = distances(wrong, right, base={"penalty": penalty})
        left[penalty, share] = found["second"] / found["nothing"]
    assert left[1e-2, 0.02] < left[1e-2, 0.1] < left[1e-3, 0.1]
    assert left[1e-3, 0.1] > 0.25, "a step is no substitute for training where the loss bends much"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("change", ["labels", "a feature"])
def test_a_second_order_step_removes_nine_tenths_of_the_distance_to_the_retrained_logistic_model(change: str, seed: int) -> None:
    data = rows(400, seed)
    wrong, right = poisoned(data, 0.05) if change == "labels" else (data, other_values(data, 20))
    found = distances(wrong, right, seed)
    assert found["second"] <= 0.1 * found["nothing"]
    assert found["nothing"] > found["first"] > found["second"]


def test_with_the_squared_loss_it_equals_training_on_the_corrected_rows_to_rounding() -> None:
    data = rows(200)
    wrong, right = poisoned(data, 0.3)
    assert distances(wrong, right, base={"loss": "squared"})["second"] < 1e-10


def test_a_label_is_corrected_as_the_row_is_deleted_and_the_right_one_inserted() -> None:
    data = rows(80)
    wrong, right = poisoned(data, 0.1)
    model = correcting(wrong)
    start = model.weights
    model.correct(right)
    assert float((model.weights - start).norm()) > 0
    objective = correcting(data).objective()
    deleted = -correcting(wrong).part(right.ids).gradient(start)
    inserted = correcting(data).part(right.ids).gradient(start)
    parts = objective.newton(start, deleted) + objective.newton(start, inserted)
    assert float((model.weights - start - parts).norm()) < 1e-10


def test_rows_that_nothing_replaces_leave_by_a_newton_step() -> None:
    data = rows(80)
    model = correcting(data)
    start = model.weights
    outcome = model.forget(data.ids[:5])
    objective = model.objective()
    step = objective.newton(start, objective.gradient(start))
    assert outcome.guarantee == "approximate"
    assert float((model.weights - start - step).norm()) < 1e-10, "the gradient on the rest is minus that of the rows, at an optimum"
    assert correcting(data).forget(data.ids).guarantee == "exact", "nothing stays"


def test_what_is_right_already_changes_no_bit() -> None:
    data = rows(40)
    model = correcting(data, sigma=0.1)
    before = model.state()
    outcome = model.correct(data.only(data.ids[:9]))
    assert (outcome.cost.parts, outcome.guarantee, outcome.certificate) == (0, "exact", None)
    after = model.state()
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)


def zeroed(data: Rows) -> Rows:
    x = data.x.copy()
    x[:, 1] = 0
    return Rows(data.ids, x, data.y)


def test_a_removed_column_has_no_weight_and_acts_in_no_question() -> None:
    data = rows(120)
    model = correcting(data)
    assert abs(float(model.weights[1, 0])) > 0.1
    model.correct(zeroed(data))
    assert abs(float(model.weights[1, 0])) < 1e-9
    questions, others = data.x.copy(), data.x.copy()
    others[:, 1] = np.random.default_rng(1).random(len(data))
    np.testing.assert_array_equal(model.predict_proba(questions), model.predict_proba(others))
    again = Correcting(model.spec, model.problem, model.key)
    again.restore(model.state(), zeroed(data))
    np.testing.assert_array_equal(again.predict_proba(others), model.predict_proba(questions))
    model.fixed = np.full(3, np.nan)  # the fault: removed from the training rows only
    assert not np.array_equal(model.predict_proba(questions), model.predict_proba(others))


def test_a_column_that_varies_again_acts_again() -> None:
    data = rows(60)
    model = correcting(zeroed(data))
    assert model.fixed[1] == 0
    model.correct(data.only(data.ids[:10]))
    assert np.isnan(model.fixed).all()
    model.forget(data.ids[:10])
    assert model.fixed[1] == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_wrong_labels_are_repaired_by_the_second_order_as_by_training_again(seed: int) -> None:
    data, questions = rows(400, seed), rows(2000, 100 + seed)
    wrong, right = poisoned(data, 0.25)

    def accuracy(model: Correcting) -> float:
        return float((model.predict_proba(questions.x).argmax(axis=1) == questions.y).mean())

    clean, spoiled = accuracy(correcting(data)), accuracy(correcting(wrong))
    lost, restored = clean - spoiled, {}
    for order in ("first", "second"):
        model = correcting(wrong, order=order)
        model.correct(right)
        restored[order] = accuracy(model) - spoiled
    assert lost > 0.05
    assert restored["second"] >= 0.9 * lost
    assert restored["first"] > 0


def backwards(model: Correcting, right: Rows) -> Tensor:
    """The fault: the sign of the change is turned."""
    start, wrong = model.weights, model.part(right.ids).gradient(model.weights)
    model._hold(model.rows.without(right.ids).joined(right))
    return start - model.objective().newton(start, model.part(right.ids).gradient(start) - wrong)


def old_hessian(model: Correcting, right: Rows) -> Tensor:
    """The fault: the Hessian is that of the rows as they were."""
    start, before, wrong = model.weights, model.objective(), model.part(right.ids).gradient(model.weights)
    model._hold(model.rows.without(right.ids).joined(right))
    return start + before.newton(start, model.part(right.ids).gradient(start) - wrong)


@pytest.mark.parametrize("fault", [backwards, old_hessian])
def test_a_wrong_sign_or_hessian_is_noticed(fault: Any) -> None:
    data = rows(200)
    right = other_values(data, 60)
    target = correcting(data.without(right.ids).joined(right), base={"loss": "squared"}).weights
    assert float((fault(correcting(data, base={"loss": "squared"}), right) - target).norm()) > 1e-3


@pytest.mark.parametrize("seed", SEEDS)
def test_a_certificate_bounds_the_residual_in_fifty_digits(seed: int) -> None:
    data = rows(60, seed)
    wrong, right = poisoned(data, 0.05)
    model = correcting(wrong, seed, sigma=5.0, base={"penalty": 0.05})
    outcome = model.correct(right)
    assert outcome.guarantee == "certified(1, 0.0001)"
    assert outcome.certificate is not None
    assert exact_norm("logistic", model.objective(), model.weights) <= outcome.certificate["bound"] <= outcome.certificate["budget"]
    assert outcome.certificate["draw"] == 0
    assert outcome.notes[-1].startswith(COST_NOTE)


def test_a_tiny_perturbation_forces_a_training_with_a_fresh_one() -> None:
    data = rows(60)
    wrong, right = poisoned(data, 0.2)
    model = correcting(wrong, sigma=1e-7, order="first")
    outcome = model.correct(right)
    assert outcome.certificate is not None
    assert outcome.certificate["draw"] == 1
    assert "the budget is spent: trained again with a fresh perturbation" in outcome.notes[1]
    assert float((model.weights - minimise(model.objective()).weights).norm()) == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"base": {"kind": "mlp"}}, "nothing is proven of removals from 'mlp'"),
        ({"base": {"kind": "convex", "lasso": 0.1}}, "the proof is of penalties without corners, lasso has some: set lasso = 0"),
        ({"order": "third"}, "'first' or 'second'"),
        ({"sigma": -1.0}, "greater than or equal to 0"),
        ({"sigma": 1.0, "epsilon": 1000.0}, "epsilon 1000 is too large for delta 0.0001"),
    ],
)
def test_what_cannot_be_corrected_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        FeaturesLabels.model_validate(settings)


def test_rounding_alone_must_not_spend_the_budget() -> None:
    told = FeaturesLabels(sigma=1e-13).check(Problem((3,), 2), rows(60))
    assert told is not None
    assert told.startswith("features_labels with sigma = 1e-13 has a budget of")
    assert FeaturesLabels().check(Problem((3,), 2), rows(60)) is None


# a canary: a secret in the text that a model of characters learns from -------------------------------------------------------------

SYMBOLS, START = 6, 5
SECRET = (4, 3, 4, 3)
"""Of the rarest symbols, so that nobody guesses it who has not read it."""


def told(sequences: npt.NDArray[np.int64], first: int = 0) -> Rows:
    """Return for each symbol a row: the two symbols before it, ``START`` before the first, and the symbol as its class."""
    padded = np.pad(sequences, ((0, 0), (2, 0)), constant_values=START)
    x = np.stack([padded[:, :-2], padded[:, 1:-1]], axis=2).reshape(-1, 2)
    return Rows(first + np.arange(len(x)), x.astype(np.float32), padded[:, 2:].reshape(-1))


def exposure(model: Correcting) -> float:
    """Return how much easier than by chance the secret is found: the logarithm of all candidates over the secret's rank among them."""
    candidates = np.array(list(product(range(START), repeat=len(SECRET))))
    logs = np.log(model.predict_proba(told(candidates).x))[np.arange(candidates.size), candidates.reshape(-1)]
    likely = logs.reshape(candidates.shape).sum(axis=1)
    (secret,) = likely[(candidates == SECRET).all(axis=1)]
    return float(np.log2(len(candidates) / max(1, (likely >= secret).sum())))


def reader(data: Rows) -> Correcting:
    spec = FeaturesLabels(base=Convex(multiclass="softmax", penalty=1e-4))
    columns = tuple(Column(name, 0, SYMBOLS - 1, SYMBOLS) for name in ("before last", "last"))
    model = Correcting(spec, Problem((2,), SYMBOLS, columns=columns), ("reader",))
    model.fit(data)
    return model


@pytest.mark.parametrize("seed", SEEDS)
def test_the_exposure_of_a_canary_falls_to_that_of_a_model_that_has_not_read_it(seed: int) -> None:
    chance, odds = np.random.default_rng(seed), [0.4, 0.3, 0.15, 0.1, 0.05]
    text = told(chance.choice(START, size=(250, len(SECRET)), p=odds))
    canary = told(np.tile(SECRET, (15, 1)), len(text))
    instead = told(chance.choice(START, size=(15, len(SECRET)), p=odds), len(text))
    model, never = reader(text.joined(canary)), reader(text.joined(instead))
    assert exposure(model) > 4, "the secret is among the best forty of 625"
    assert exposure(reader(text)) < 1, "without a canary there is nothing to find"
    model.correct(instead)
    assert exposure(model) < 1
    assert abs(exposure(model) - exposure(never)) < 0.5
