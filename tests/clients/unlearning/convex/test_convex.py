"""Convex learners: derivatives, constants and rounding are those of the losses, optima those of scikit-learn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge
from torch import Tensor
from torch.autograd.functional import hessian, jacobian

from clients.data.rows import Column, Rows
from clients.unlearning.contract import Problem, UnlearningError
from clients.unlearning.convex.losses import HuberHinge, Loss, loss_of
from clients.unlearning.convex.objective import Objective
from clients.unlearning.convex.solved import Solved
from clients.unlearning.convex.solver import minimise
from clients.unlearning.convex.spec import Convex

LOSSES: dict[str, dict[str, Any]] = {
    "logistic": {"loss": "logistic"},
    "softmax": {"loss": "logistic", "multiclass": "softmax"},
    "squared": {"loss": "squared"},
    "huber_hinge": {"loss": "huber_hinge", "corner": 0.3},
}


def value(name: str, scores: Tensor, targets: Tensor) -> Tensor:
    """Return the sum of the losses, written down once more."""
    margins = targets * scores
    if name == "logistic":
        return torch.nn.functional.softplus(-margins).sum()
    if name == "softmax":
        return (torch.logsumexp(scores, 1) - (targets * scores).sum(1)).sum()
    if name == "squared":
        return ((scores - targets) ** 2 / 2).sum()
    h = 0.3
    corner = (1 + h - margins) ** 2 / (4 * h)
    return torch.where(margins > 1 + h, 0 * margins, torch.where(margins < 1 - h, 1 - margins, corner)).sum()


def drawn(name: str, n: int = 40, d: int = 5, classes: int = 3, key: int = 0) -> tuple[Objective, Tensor]:
    """Return an objective on random rows, and random parameters."""
    chance = np.random.default_rng(key)
    x = torch.tensor(chance.normal(size=(n, d)))
    loss = loss_of(Convex(**LOSSES[name]))
    targets = loss.targets(torch.tensor(chance.integers(0, classes, n)), classes)
    shape = (d, targets.shape[1])
    linear, weights = torch.tensor(chance.normal(size=shape)), torch.tensor(chance.normal(size=shape))
    return Objective(loss, x / x.norm(dim=1, keepdim=True), targets, 0.05, linear), weights


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", LOSSES)
def test_derivatives_are_those_that_torch_finds(name: str, classes: int) -> None:
    objective, weights = drawn(name, classes=classes)

    def whole(w: Tensor) -> Tensor:
        ridge = objective.ridge / 2 * (w**2).sum()
        return value(name, objective.x @ w, objective.targets) + ridge + (objective.linear * w).sum()

    assert objective.value(weights) == pytest.approx(float(whole(weights)), rel=1e-12)
    gradient: Any = jacobian(whole, weights)  # torch.func would load a compiler, for seconds
    torch.testing.assert_close(objective.gradient(weights), gradient)
    full: Any = hessian(whole, weights)
    size = weights.numel()
    step = torch.linalg.solve(full.reshape(size, size), -gradient.reshape(size)).reshape(weights.shape)
    torch.testing.assert_close(objective.newton(weights, gradient), step)


@pytest.mark.parametrize("name", LOSSES)
def test_roots_square_to_the_hessian(name: str) -> None:
    objective, weights = drawn(name)
    scores = objective.x @ weights
    roots = objective.loss.roots(objective.x, scores, objective.targets)
    torch.testing.assert_close(roots @ roots.transpose(1, 2), objective.loss.hessian(objective.x, scores, objective.targets))


@pytest.mark.parametrize("name", LOSSES)
def test_constants_bound_every_row_and_are_not_loose_by_much(name: str) -> None:
    loss = loss_of(Convex(**LOSSES[name]))
    chance = np.random.default_rng(1)
    near = torch.tensor(chance.normal(0, 1, (200_000, 2)))
    step = torch.tensor(chance.normal(0, 1, near.shape))
    step = step / step.norm(dim=1, keepdim=True) * 1e-4
    targets = loss.targets(torch.tensor(chance.integers(0, 2, len(near))), 3)[:, :2]
    change = (loss.slopes(near + step, targets) - loss.slopes(near, targets)).norm(dim=1) / 1e-4
    assert 0.7 * loss.smoothness < float(change.max()) <= loss.smoothness * (1 + 1e-6)
    if name != "squared":
        assert 0.7 * loss.steepness(2) < float(loss.slopes(8 * near, targets).norm(dim=1).max()) <= loss.steepness(2)


@pytest.mark.parametrize("name", ["logistic", "softmax"])
def test_the_lipschitz_constant_bounds_remainders_and_is_reached(name: str) -> None:
    loss = loss_of(Convex(**LOSSES[name]))
    chance = np.random.default_rng(2)
    near, step = (torch.tensor(chance.normal(0, 1.5, (100_000, 2))) for _ in range(2))
    step = step * torch.tensor(chance.uniform(0.01, 0.3, (len(near), 1)))
    targets = loss.targets(torch.zeros(len(near), dtype=torch.int64), 3)[:, :2]
    p = torch.softmax(near, 1) if name == "softmax" else torch.sigmoid(near)
    curvature = torch.diag_embed(p) - p[:, :, None] * p[:, None, :] if name == "softmax" else torch.diag_embed(p * (1 - p))
    first = loss.slopes(near, targets) + torch.einsum("nab,nb->na", curvature, step)
    missed = (loss.slopes(near + step, targets) - first).norm(dim=1)
    share = missed / loss.remainders(step)
    assert float(share.max()) <= 1
    assert float(share.max()) > 0.9, "a much larger constant would bound them too"


def test_a_constant_that_is_too_small_is_noticed() -> None:
    class Planted(type(loss_of(Convex()))):  # type: ignore[misc]
        lipschitz = 0.06

    z, s = torch.full((1, 1), -1.317, dtype=torch.float64), torch.full((1, 1), 0.01, dtype=torch.float64)
    loss: Loss = Planted()
    t = torch.ones_like(z)
    missed = loss.slopes(z + s, t) - loss.slopes(z, t) - torch.sigmoid(z) * torch.sigmoid(-z) * s
    assert float(missed.abs()) > float(loss.remainders(s))
    assert float(missed.abs()) <= float(loss_of(Convex()).remainders(s))


@pytest.mark.parametrize("name", LOSSES)
def test_the_residual_is_bounded_where_rounding_decides_it(name: str) -> None:
    objective, _ = drawn(name, n=30, d=4, classes=2)
    weights = minimise(objective).weights
    true = exact_norm(name, objective, weights)
    assert true <= objective.at(weights).residual
    assert objective.at(weights).rounding < 1e-11
    assert abs(float(objective.gradient(weights).norm()) - true) <= objective.at(weights).rounding


def exact_norm(name: str, objective: Objective, weights: Tensor) -> float:
    """Return the norm of the gradient in 50 digits."""
    with mpmath.workdps(50):
        x, w, t, b = (mpmath.matrix(part.tolist()) for part in (objective.x, weights, objective.targets, objective.linear))
        z, total = x * w, mpmath.matrix(w.rows, w.cols)
        for i in range(x.rows):
            if name == "softmax":
                powers = [mpmath.exp(z[i, k]) for k in range(w.cols)]
                slopes = [power / sum(powers) - t[i, k] for k, power in enumerate(powers)]
            else:
                slopes = [_slope(name, z[i, k], t[i, k]) for k in range(w.cols)]
            for j in range(w.rows):
                for k in range(w.cols):
                    total[j, k] += x[i, j] * slopes[k]
        whole = total + objective.penalty * len(objective.x) * w + b
        return float(mpmath.sqrt(sum(whole[j, k] ** 2 for j in range(w.rows) for k in range(w.cols))))


def _slope(name: str, z: Any, t: Any) -> Any:
    if name == "logistic":
        return -t / (1 + mpmath.exp(t * z))
    if name == "squared":
        return z - t
    return -t * min(max((1 + mpmath.mpf(0.3) - t * z) / (2 * mpmath.mpf(0.3)), 0), 1)


def rows(n: int = 80, classes: int = 2, key: int = 0) -> Rows:
    """Return rows of two numbers and a category."""
    chance = np.random.default_rng(key)
    x = np.column_stack([chance.uniform(-3, 5, n), chance.random(n), chance.integers(0, 3, n)]).astype(np.float32)
    y = (x[:, 0] > 1).astype(np.int64) + (x[:, 2] == 2) * (classes == 3)
    flip = chance.random(n) < 0.1
    return Rows(10 + 3 * np.arange(n), x, np.where(flip, 0, y))


COLUMNS = (Column("length", -3.0, 5.0), Column("share", 0.0, 1.0), Column("colour", 0.0, 2.0, 3))


def solved(data: Rows, classes: int = 2, **settings: Any) -> Solved:
    model = Solved(Convex(**settings), Problem((3,), classes, columns=COLUMNS), ())
    model.fit(data)
    return model


def test_optima_are_those_of_scikit_learn() -> None:
    data = rows()
    x = solved(data).unit.of(data.x)
    ours = solved(data, penalty=0.01).predict_proba(data.x)
    reference = LogisticRegression(C=1 / (0.01 * len(data)), fit_intercept=False, tol=1e-12, max_iter=10_000).fit(x, data.y)
    np.testing.assert_allclose(ours, reference.predict_proba(x), atol=1e-5)
    squared = solved(data, loss="squared", penalty=0.02)
    regression = Ridge(alpha=0.02 * len(data), fit_intercept=False).fit(x, 2 * data.y - 1)
    np.testing.assert_allclose(squared.weights.numpy()[:, 0], regression.coef_, rtol=1e-9)
    many = rows(classes=3)
    ours = solved(many, 3, penalty=0.01, multiclass="softmax").predict_proba(many.x)
    reference = LogisticRegression(C=1 / (0.01 * len(many)), fit_intercept=False, tol=1e-12, max_iter=10_000).fit(x, many.y)
    np.testing.assert_allclose(ours, reference.predict_proba(x), atol=1e-5)


def test_a_newton_step_errs_with_the_square_of_the_share_and_less_than_the_jackknife() -> None:
    drawn_rows, weights = drawn("logistic", n=6000, d=4, classes=2)
    targets = (drawn_rows.x @ weights + 0.3 * torch.tensor(np.random.default_rng(5).normal(size=(6000, 1)))).sign()
    objective = Objective(drawn_rows.loss, drawn_rows.x, targets, 0.05, 0 * weights)
    whole = minimise(objective).weights
    chance, counts = np.random.default_rng(3), (30, 60, 120, 240)
    side = np.flatnonzero((targets[:, 0] > 0) & (objective.x[:, 0] > 0))  # whose gradients add up, where those of all cancel
    mean: dict[str, list[float]] = {"remaining": [], "all": []}
    for count in counts:
        left: dict[str, list[float]] = {"remaining": [], "all": []}
        for _ in range(5):
            gone = np.isin(np.arange(6000), chance.choice(side, count, replace=False))
            parts = [Objective(objective.loss, objective.x[part], objective.targets[part], 0.05, 0 * whole) for part in (~gone, gone)]
            rest = Objective(objective.loss, parts[0].x, parts[0].targets, 0.05, objective.linear)
            never = minimise(rest).weights
            pull = parts[1].gradient(whole)
            for name, of in (("remaining", rest), ("all", objective)):
                left[name].append(float((whole - of.newton(whole, pull) - never).norm()))
        for name, values in left.items():
            mean[name].append(float(np.mean(values)))
    slope = np.polyfit(np.log(counts), np.log(mean["remaining"]), 1)[0]
    assert 1.8 <= slope <= 2.2
    assert all(newton < jackknife / 2 for newton, jackknife in zip(mean["remaining"], mean["all"], strict=True))


@pytest.mark.parametrize("name", LOSSES)
def test_solves_end_at_rounding(name: str) -> None:
    objective, _ = drawn(name, n=300, d=8)
    found = minimise(objective)
    assert objective.at(found.weights).residual < 1e-10
    assert found.steps < 40


@pytest.mark.parametrize("corner", [0.1, 0.01, 0.001])
@pytest.mark.parametrize("penalty", [1e-2, 1e-4])
def test_a_loss_whose_second_derivative_jumps_is_solved_to_rounding_too(corner: float, penalty: float) -> None:
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        x, noise = (torch.randn(200, k, generator=generator, dtype=torch.float64) for k in (6, 1))
        x, signs = x / x.norm(dim=1).max(), torch.sign(x[:, :1] + noise / 2)
        objective = Objective(HuberHinge(corner), x, signs, penalty, torch.zeros_like(x[:6, :1]))
        assert float(objective.gradient(minimise(objective).weights).norm()) < 1e-11


def test_a_solve_that_is_not_done_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clients.unlearning.convex.solver.MOST_STEPS", 2)
    with pytest.raises(UnlearningError, match="2 Newton steps do not reach the optimum: take a larger penalty"):
        minimise(drawn("logistic", n=300, d=8)[0])


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("weight", [0.002, 0.02, 1.0])
def test_sparse_solves_fulfil_the_conditions_of_an_optimum(name: str, weight: float) -> None:
    smooth, _ = drawn(name, n=200, d=8)
    objective = replace(smooth, penalty=1e-4, linear=0 * smooth.linear, lasso=weight)
    weights, _ = minimise(objective)
    gradient, zero = objective.gradient(weights), weights == 0
    assert float((gradient + objective.weight * weights.sign())[~zero].abs().sum()) < 1e-9
    assert bool((gradient[zero].abs() <= objective.weight + 1e-9).all())
    assert {0.002: 0, 0.02: 1, 1.0: weights.numel()}[weight] <= int(zero.sum())
    assert int(zero.sum()) < weights.numel() or weight == 1.0


def test_sparse_optima_are_those_of_scikit_learn() -> None:
    data = rows()
    squared = solved(data, loss="squared", penalty=0.01, lasso=0.01)
    x = squared.unit.of(data.x)
    reference = ElasticNet(alpha=0.02, l1_ratio=0.5, fit_intercept=False, tol=1e-14, max_iter=100_000).fit(x, 2 * data.y - 1)
    np.testing.assert_allclose(squared.weights.numpy()[:, 0], reference.coef_, atol=1e-6)
    net = solved(data, penalty=0.01, lasso=0.01)
    settings = {"C": 1 / (0.02 * len(data)), "l1_ratio": 0.5, "solver": "saga", "fit_intercept": False, "tol": 1e-12, "max_iter": 100_000}
    logistic = LogisticRegression(**settings).fit(x, data.y)
    np.testing.assert_allclose(net.weights.numpy()[:, 0], logistic.coef_[0], atol=1e-6)
    assert (net.weights == 0).any()


def test_rows_are_bounded_by_a_rule_that_looks_at_one_row_only() -> None:
    data, other = rows(), rows(key=1)
    unit = solved(data).unit
    found = torch.tensor(unit.of(data.x))
    assert float(found.norm(dim=1).max()) <= 1
    assert float(found.norm(dim=1).min()) > 1 - 1e-11
    assert found.shape == (80, 6), "two numbers, three 0/1 columns, a constant"
    np.testing.assert_array_equal(unit.of(np.concatenate([data.x[:1], other.x]))[0], found[0])


def test_bad_settings_are_refused_in_one_line() -> None:
    with pytest.raises(ValidationError, match="multiclass 'softmax' is for the logistic loss, not 'squared'"):
        Convex(loss="squared", multiclass="softmax")
    with pytest.raises(UnlearningError, match=r"column length: its bounds \[-inf, 5\] do not bound its rows"):
        Solved(Convex(), Problem((1,), 2, columns=(Column("length", -np.inf, 5.0),)), ())
    with pytest.raises(UnlearningError, match="convex: the problem has one class"):
        Solved(Convex(), Problem((1,), 1), ())
