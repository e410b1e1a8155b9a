"""Gradients of single rows are counted where they are taken: each row once an epoch, products with second derivatives twice."""

from __future__ import annotations

import pytest
import torch

from clients.models.row_gradients import row_gradients, row_slopes
from clients.passes import Meter, taken
from clients.unlearning.general.curvature import Curvature
from clients.unlearning.refine.memorisation import subsets, together
from tests.clients.unlearning.deep.small import KEY, REQUEST, TRAINING, method, parts, rows, trained


def test_meters_may_be_nested_and_are_read_once_left() -> None:
    taken(5)
    with Meter() as outer:
        taken(2)
        with Meter() as inner:
            taken(3)
        assert outer.rows == 0
    assert (outer.rows, inner.rows) == (5, 3)


def test_every_epoch_of_training_takes_the_gradient_of_every_row_once() -> None:
    weights, learning = trained()
    with Meter() as meter:
        learning.train(weights, rows(), range(2, 4))
    assert meter.rows == 2 * TRAINING.epochs * 90
    inside = subsets(rows().ids, 3, 0.7, KEY)
    with Meter() as meter:
        together(learning, rows())(inside)
    assert meter.rows == learning.progress * TRAINING.epochs * inside.sum() == 2 * 2 * 3 * 63


def test_a_product_with_second_derivatives_counts_two_gradients_a_row() -> None:
    weights, learning = trained()
    curvature = Curvature(learning.network, weights, TRAINING)
    along = torch.ones_like(curvature.flat())
    module = learning.network.build(("count",)).eval()
    x, y = learning.network.inputs(rows().x), learning.network.targets(rows().y)
    for work, wanted in (
        (lambda: curvature.gradient(rows()), 1),
        (lambda: curvature.product(rows(), along, "hessian"), 2),
        (lambda: curvature.product(rows(), along, "gauss_newton"), 2),
        (lambda: curvature.slopes(rows(), along), 2),
        (lambda: row_gradients(module, x, y), 1),
        (lambda: row_slopes(module, x), 10),
        (lambda: learning.network.probabilities(weights, rows().x), 0),
    ):
        with Meter() as meter:
            work()
        assert meter.rows == wanted * 90


@pytest.mark.parametrize("kind", ["influence", "features_labels"])
def test_steps_of_sums_tell_their_passes(kind: str) -> None:
    forget, retain = parts()
    weights, learning = trained()
    products = "gauss_newton" if kind == "influence" else "hessian"
    with Meter() as meter:
        settings = {"iterations": 3, "products": products} if kind == "influence" else {"iterations": 3}
        outcome = method(kind, **settings).apply(weights, learning, forget, retain, REQUEST)[1]
    told = f"cost: gradient passes: {meter.rows / 90:.3g} over all rows, with two for each product with second derivatives"
    assert outcome.notes[-1] == told
    if kind == "influence":
        assert meter.rows == len(forget) + 3 * 2 * len(retain)
    assert outcome.cost.gradient_steps == 0, "none of which is a step of an optimiser"
