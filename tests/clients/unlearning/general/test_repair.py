"""Repair: the posterior without some rows is that of training without them, and what caused failures is found and erased."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from clients.data.rows import Rows
from clients.models.mlp import Mlp
from clients.training import Training
from clients.unlearning.general.curvature import Curvature
from clients.unlearning.general.derivatives import Local
from clients.unlearning.general.influence import Influence
from clients.unlearning.general.posterior import Precision, squares, stepwise
from clients.unlearning.general.repair import Repair
from tests.clients.unlearning.general.test_influence import asked, distance, optimum, rows, trained

GONE = 6


@cache
def gaussian() -> tuple[torch.Tensor, ...]:
    """A linear model with Gaussian noise: precision of all rows, of the first, the optimum, the retrained one, rows and targets."""
    chance = np.random.default_rng(0)
    x, y = torch.tensor(chance.normal(size=(40, 5))), torch.tensor(chance.normal(size=40))
    whole, theirs = x.T @ x + torch.eye(5), x[:GONE].T @ x[:GONE]
    never = torch.linalg.solve(whole - theirs, x[GONE:].T @ y[GONE:])
    return whole, theirs, torch.linalg.solve(whole, x.T @ y), never, x[:GONE], y[:GONE]


def ended(precision: torch.Tensor) -> torch.Tensor:
    """Return where steps end whose quadratic has this precision."""
    _, _, start, _, x, y = gaussian()
    return stepwise(start, lambda v: torch.linalg.solve(precision, v), lambda at: x.T @ (x @ at - y), 200).weights


def test_on_a_linear_gaussian_model_every_form_returns_the_retrained_optimum() -> None:
    whole, theirs, start, never, x, y = gaussian()
    torch.testing.assert_close(ended(whole), never, rtol=1e-10, atol=1e-12)
    step = torch.linalg.solve(whole - theirs, x.T @ (x @ start - y))
    torch.testing.assert_close(start + step, never, rtol=1e-10, atol=1e-12)
    linearised = stepwise(start, lambda v: torch.linalg.solve(whole - theirs, v), lambda _: x.T @ (x @ start - y), 5).weights
    torch.testing.assert_close(linearised, never, rtol=1e-10, atol=1e-12)


def test_curvature_that_leaves_twice_is_noticed() -> None:
    whole, theirs, start, never, *_ = gaussian()
    assert float((ended(whole - theirs) - never).norm()) > 0.01 * float((start - never).norm())


def test_steps_that_grow_end() -> None:
    found = stepwise(torch.zeros(1), lambda v: v, lambda at: 1 + 2 * at, 50)
    assert found.grew
    assert found.steps == 1
    assert float(found.weights) == 1.0


@pytest.mark.parametrize("gone", [1, 3])
def test_one_step_is_the_newton_step_and_steps_come_nearer_to_retraining(gone: int) -> None:
    data = rows()
    weights, learning = optimum(60)
    forget, retain = data.only(data.ids[:gone]), data.without(data.ids[:gone])
    newton = Influence(products="gauss_newton", damping=0.0, tolerance=1e-9).apply(weights, learning, forget, retain, ())[0]
    found, outcome = Repair(form="one_step", damping=0.0).apply(weights, learning, forget, retain, ())
    assert outcome.guarantee == "approximate"
    assert distance(found, newton) < 1e-6
    stepped, outcome = Repair(damping=0.0).apply(weights, learning, forget, retain, ())
    assert outcome.cost.gradient_steps == 10
    assert distance(stepped, optimum(60, gone)[0]) < 0.1 * distance(weights, optimum(60, gone)[0])


@pytest.mark.parametrize("form", ["steps", "one_step"])
def test_with_the_sums_of_its_own_rows_a_holder_does_what_it_does_alone(form: Any) -> None:
    data, (weights, learning) = rows(), optimum(60)
    forget, retain = data.only(data.ids[:GONE]), data.without(data.ids[:GONE])
    spec = Repair(form=form, fisher="diagonal", labels="data", steps=3)
    alone, _ = spec.apply(weights, learning, forget, retain, ())
    shared, _ = spec.carry_out(weights, learning, forget, retain, (), spec.measure(weights, learning, forget, retain))
    assert all(alone[name].tobytes() == shared[name].tobytes() != weights[name].tobytes() for name in weights)


def test_the_score_of_a_row_is_its_influence_on_the_failures() -> None:
    data = rows()
    weights, learning = optimum(60)
    curvature = Curvature(learning.network, weights, learning.training)
    failures, one = data.only(data.ids[40:44]), data.only(data.ids[:1])
    precision = Repair(damping=0.0).precision(curvature, [data], data.without(data.ids), ())
    scores = -curvature.slopes(data, precision.solve(curvature.gradient(failures)))
    whole = Local(curvature, one, data.without(one.ids), "all")
    step = Influence(products="gauss_newton", damping=0.0, tolerance=1e-9)._solve(asked(whole), curvature.gradient(one), "gauss_newton")
    assert float(scores[0]) == pytest.approx(-float(curvature.gradient(failures) @ step.x), rel=1e-4)
    torch.testing.assert_close(-curvature.slopes(data, scores.new_ones(len(curvature.flat()))).sum(), -curvature.gradient(data).sum())


def test_the_diagonal_is_the_sum_of_squares_of_rows_and_not_of_batches() -> None:
    data = rows(8)
    weights, learning = trained(data, Mlp(hidden=(3,)), Training(epochs=2))
    curvature = Curvature(learning.network, weights, Training())
    own = squares(curvature, data, "data", ("a",))
    each = sum(curvature.gradient(data.only([i])).square() for i in data.ids)
    torch.testing.assert_close(own, each)
    assert not torch.allclose(own, curvature.gradient(data).square())


def test_sampled_labels_give_the_fisher_information_and_those_of_the_data_another_matrix() -> None:
    data = rows(8)
    weights, learning = optimum(60)
    curvature = Curvature(learning.network, weights, Training())
    own = squares(curvature, data, "data", ("a",))
    sampled = torch.stack([squares(curvature, data, "sampled", ("key", k)) for k in range(60)]).mean(0)
    expected = torch.zeros_like(own)
    p = torch.tensor(learning.network.probabilities(weights, data.x)).double()
    for label in range(3):
        for i, row in enumerate(data.ids):
            one = data.only([row])
            expected += p[i, label] * curvature.gradient(Rows(one.ids, one.x, np.array([label]))).square()
    assert float((sampled - expected).norm() / expected.norm()) < 0.15
    assert float((own - expected).norm() / expected.norm()) > 0.2


def test_the_precision_of_kept_rows_is_the_diagonal_that_they_have_alone() -> None:
    data = rows(20)
    weights, learning = optimum(60)
    curvature = Curvature(learning.network, weights, learning.training)
    kept, gone, none = data.without(data.ids[:5]), data.only(data.ids[:5]), data.without(data.ids)
    right = torch.arange(1.0, len(curvature.flat()) + 1).double()
    both, alone = (Precision(curvature, [kept], other, "diagonal", "sampled", 0.0, ("k",)) for other in (gone, none))
    torch.testing.assert_close(both.solve_kept(right), alone.solve(right))
    assert not torch.allclose(both.solve(right), alone.solve(right))


def test_of_rows_that_are_all_forgotten_nothing_is_left() -> None:
    data = rows()
    weights, learning = optimum(60)
    found, outcome = Repair().apply(weights, learning, data, data.without(data.ids), ())
    assert outcome.guarantee == "exact"
    assert distance(found, learning.initial()) == 0


@pytest.mark.parametrize("settings", [{"form": "none"}, {"steps": 0}, {"fisher": "block"}, {"labels": "mine"}, {"damping": -1.0}])
def test_bad_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(settings))):
        Repair(**settings)
