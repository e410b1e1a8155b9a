"""Learners that keep statistics forget rows that they have not kept, within bounds that hold."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.stats import kstest
from torch import Tensor

from clients.data.rows import Rows
from clients.unlearning.approximate.statistics.certificate import Distance
from clients.unlearning.approximate.statistics.learner import Jackknife, Newton, Summarised
from clients.unlearning.approximate.statistics.spec import InfinitesimalJackknife, NewtonStatistics
from clients.unlearning.contract import Problem, UnlearningError
from clients.unlearning.convex.losses import loss_of
from clients.unlearning.convex.objective import Objective
from clients.unlearning.convex.proximal import nearest
from clients.unlearning.convex.solved import Solved
from clients.unlearning.convex.solver import minimise
from clients.unlearning.convex.spec import Convex
from clients.unlearning.mechanisms import analytic_gaussian
from clients.unlearning.traces import Secret, traces
from tests.clients.unlearning.approximate.test_certified_removal import rows

LOSSES: dict[str, dict[str, Any]] = {"logistic": {}, "softmax": {"multiclass": "softmax"}, "squared": {"loss": "squared"}}
KINDS = (Newton, Jackknife)


def fitted(kind: type[Summarised], data: Rows, classes: int = 2, base: dict[str, Any] | None = None, **settings: Any) -> Summarised:
    table = {Newton: NewtonStatistics, Jackknife: InfinitesimalJackknife}[kind]
    model = kind(table(base=Convex(**{"penalty": 0.05, **(base or {})}), **settings), Problem((3,), classes), ("test",))
    model.fit(data)
    return model


def solved(data: Rows, classes: int = 2, **base: Any) -> Solved:
    model = Solved(Convex(**{"penalty": 0.05, **base}), Problem((3,), classes), ())
    model.fit(data)
    return model


@pytest.mark.parametrize("name", LOSSES)
def test_the_step_is_newtons_on_the_remaining_rows(name: str) -> None:
    data = rows(60, classes=3)
    model, rest = (fitted(Newton, data, 3, LOSSES[name]), solved(data.without(data.ids[:5]), 3, **LOSSES[name]))
    start = model.weights
    model.forget(data.only(data.ids[:5]))
    objective = rest.objective()
    torch.testing.assert_close(model.weights, start + objective.newton(start, objective.gradient(start)), rtol=1e-9, atol=1e-12)


def test_of_least_squares_it_is_retraining_and_the_jackknife_is_not() -> None:
    data = rows(60)
    never = solved(data.without(data.ids[:20]), loss="squared").weights
    left = []
    for kind in KINDS:
        model = fitted(kind, data, base={"loss": "squared"})
        model.forget(data.only(data.ids[:20]))
        left.append(float((model.weights - never).norm()))
    assert left[0] < 1e-12
    assert left[1] > 1e-3


@pytest.mark.parametrize("seed", range(4))
def test_the_jackknife_errs_more_than_newton_and_less_than_doing_nothing(seed: int) -> None:
    data = rows(200, key=seed)
    gone = data.ids[data.y == 1][:8]
    never = solved(data.without(gone)).weights
    left = [float((fitted(Newton, data).weights - never).norm())]
    for kind in (Jackknife, Newton):
        model = fitted(kind, data)
        model.forget(data.only(gone))
        left.append(float((model.weights - never).norm()))
    assert left[0] > 4 * left[1] > 8 * left[2]


@pytest.mark.parametrize("kind", KINDS)
def test_order_and_batches_do_not_matter(kind: type[Summarised]) -> None:
    data = rows(60)
    ends: list[Tensor] = []
    for requests in ([data.ids[:6]], [data.ids[[i]] for i in range(6)], [data.ids[[5, 2]], data.ids[[0, 1, 4, 3]]]):
        model = fitted(kind, data)
        for ids in requests:
            model.forget(data.only(ids))
        ends.append(model.weights)
    for other in ends[1:]:
        torch.testing.assert_close(other, ends[0], rtol=1e-11, atol=1e-13)
    assert float((fitted(kind, data).weights - ends[0]).norm()) > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_no_row_is_kept_and_the_statistics_do_not_grow(kind: type[Summarised]) -> None:
    sizes, whole = [], []
    for n in (300, 600):  # numbers of rows that pickle writes in as many bytes
        data = rows(n)
        model = fitted(kind, data)
        sizes.append(len(pickle.dumps(model.statistics)))
        whole.append(len(pickle.dumps(model)))
        assert not traces(model, Secret.of(data.x[:20]))
    assert sizes[0] == sizes[1]
    assert abs(whole[1] - whole[0] - 2 * 8 * 300) < 100, "two ids a row"
    model.begin(data)
    assert traces(model, Secret.of(data.x[:20])), "before training it has them, and they are found"


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_bound_lies_above_the_distance_and_below_that_of_constants(kind: type[Summarised], name: str) -> None:
    penalty = 0.05
    for seed in range(3):
        data = rows(80, key=seed, classes=3)
        model = fitted(kind, data, 3, LOSSES[name])
        for gone in (data.ids[:1], data.ids[1:4], data.ids[4:16]):
            model.forget(data.only(gone))
            data_left = data.only(model.held)
            never = solved(data_left, 3, **LOSSES[name]).weights
            assert model.statistics is not None
            bound = model.statistics.distance(model.loss, penalty)
            assert float((model.weights - never).norm()) <= bound
            if kind is Newton and name != "squared":
                removed, steep = 80 - len(data_left), 2 * model.loss.steepness(3)
                constants = 2 * model.loss.lipschitz * steep**2 * removed**2 / (penalty**3 * len(data_left) ** 2)
                assert bound < constants, "2 M L^2 m^2 / (lambda^3 n^2)"


def test_a_constant_that_is_too_small_breaks_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    data = rows(200)
    gone = data.ids[data.y == 1][:60]
    model = fitted(Newton, data, base={"penalty": 0.01})
    model.forget(data.only(gone))
    away = float((model.weights - solved(data.without(gone), penalty=0.01).weights).norm())
    assert model.statistics is not None
    assert away <= model.statistics.distance(model.loss, 0.01)
    monkeypatch.setattr(type(model.loss), "lipschitz", 1e-4)
    assert away > model.statistics.distance(model.loss, 0.01)


def test_a_request_is_certified_where_the_noise_hides_all_rows_removed_so_far() -> None:
    data = rows(200)
    free = fitted(Newton, data)
    bounds = []
    for ids in (data.ids[:2], data.ids[2:4]):
        assert free.forget(data.only(ids)).guarantee == "approximate"
        assert free.statistics is not None
        bounds.append(free.statistics.distance(free.loss, 0.05))
    alone = fitted(Newton, data)
    alone.forget(data.only(data.ids[2:4]))
    assert alone.statistics is not None
    assert bounds[1] > 1.5 * alone.statistics.distance(alone.loss, 0.05), "of both requests, not of the second alone"
    sigma = 1.01 * analytic_gaussian(bounds[0], 1.0, 1e-4)
    model = fitted(Newton, data, sigma=sigma)
    first, second = (model.forget(data.only(ids)) for ids in (data.ids[:2], data.ids[2:4]))
    assert first.guarantee == "certified(1, 0.0001)"
    assert first.certificate is not None
    assert first.certificate["distance"] == bounds[0]
    assert (second.guarantee, second.certificate) == ("approximate", None)
    assert "4 rows removed since the training" in second.notes[0]
    assert second.notes[0].endswith(f"more than sigma = {sigma:g} hides: no certificate")


def test_noise_has_its_scale_is_drawn_anew_and_only_the_noisy_parameters_answer() -> None:
    data = rows(60)
    model = fitted(Newton, data, sigma=0.5)
    drawn = [model.noise]
    for k in range(60):
        before = model.predict_proba(data.x)
        if k < 50:
            model.forget(data.only(data.ids[[k]]))
            assert not np.array_equal(model.predict_proba(data.x), before)
            drawn.append(model.noise)
    values = torch.cat(drawn).flatten().numpy()
    assert len(set(values.tolist())) == len(values) == 51 * 4
    assert kstest(values, "norm", args=(0, 0.5)).pvalue > 0.01
    shares = torch.sigmoid(torch.tensor(model.unit.of(data.x)) @ (model.weights + model.noise))
    np.testing.assert_allclose(model.predict_proba(data.x)[:, 1], shares[:, 0].numpy(), rtol=1e-6)


def test_a_learner_that_is_begun_anew_uses_no_noise_again() -> None:
    """As where rows arrive between two requests: both releases are number 1."""
    model, drawn = fitted(Newton, rows(60), sigma=0.5), []
    for data in (rows(60), rows(70)):
        model.fit(data)
        model.forget(data.only(data.ids[:1]))
        drawn.append(model.noise)
    assert not torch.isin(*drawn).any()
    again = fitted(Newton, rows(60), sigma=0.5)
    again.forget(rows(60).only(rows(60).ids[:1]))
    assert torch.equal(again.noise, drawn[0]), "the control: it is keyed"


@pytest.mark.parametrize("kind", KINDS)
def test_without_rows_it_is_as_if_there_had_never_been_any(kind: type[Summarised]) -> None:
    data, model = rows(20), fitted(kind, rows(20), sigma=0.5)
    model.forget(data.only(data.ids[:3]))
    assert model.forget(data.without(data.ids[:3])).guarantee == "exact"
    never = fitted(kind, data.without(data.ids), sigma=0.5)
    assert {name: array.tobytes() for name, array in model.state().items()} == {name: a.tobytes() for name, a in never.state().items()}
    never.restore(model.state(), data.without(data.ids))


@pytest.mark.parametrize("kind", KINDS)
def test_requests_of_ids_are_refused_and_change_nothing(kind: type[Summarised]) -> None:
    data = rows(40)
    model = fitted(kind, data)
    before = model.weights
    with pytest.raises(UnlearningError, match=r"has kept none of them: ask with the rows themselves, not with their ids"):
        model.forget(data.ids[:1])  # type: ignore[arg-type]
    beyond = Rows(data.ids[:1], data.x[:1] + 5, data.y[:1])
    with pytest.raises(UnlearningError, match=f"row {data.ids[0]}, column"):
        model.forget(beyond)
    assert model.weights is before
    assert len(model.held) == 40


def test_without_rows_nothing_is_left() -> None:
    data = rows(20)
    model = fitted(Newton, data, sigma=1.0)
    outcome = model.forget(data)
    assert outcome.guarantee == "exact"
    assert not model.released.any()
    assert not len(model.stored()[0].ids)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"epsilon": 0.0}, "epsilon"),
        ({"delta": 0.0}, "delta"),
        ({"delta": 1.0}, "delta"),
        ({"sigma": -1.0}, "sigma"),
        ({"base": {"kind": "convex", "lasso": 0.1}, "sigma": 1.0}, "lasso has some"),
        ({"base": {"kind": "mlp"}}, "nothing is proven of removals from 'mlp'"),
        ({"base": {"kind": "convex", "loss": "huber_hinge"}, "sigma": 1.0}, "huber_hinge has some: set sigma = 0"),
    ],
)
@pytest.mark.parametrize("table", [NewtonStatistics, InfinitesimalJackknife])
def test_settings_of_which_nothing_is_proven_are_refused(table: Any, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        table(**settings)
    (error,) = caught.value.errors()
    assert said in f"{'.'.join(map(str, error['loc']))} {error['msg']}"


def test_the_proximal_step_keeps_the_retrained_support_and_the_smooth_one_does_not() -> None:
    chance = np.random.default_rng(4)
    x = chance.random((300, 12)).astype(np.float32)
    y = (x[:, 0] - x[:, 1] + 0.1 * chance.normal(size=300) > 0).astype(np.int64)
    data = Rows(np.arange(300), x, y)
    gone = data.ids[(x[:, 0] > 0.6) & (y == 1)][:12]
    base = Convex(penalty=1e-3, lasso=0.004)
    never, model = (of.build(Problem((12,), 2), ()) for of in (base, InfinitesimalJackknife(base=base)))
    never.fit(data.without(gone))
    model.fit(data)
    start, statistics = model.weights, model.statistics
    part = model._objective_of(data.only(gone))
    smooth = start + torch.linalg.solve(statistics.matrix[0], part.gradient(start))
    planted = nearest(statistics.matrix, start, -part.gradient(start), statistics.lasso * (300 - len(gone)))
    model.forget(data.only(gone))
    support = never.weights != 0
    assert 1 < int(support.sum()) < 13
    torch.testing.assert_close(model.weights != 0, support)
    away = float((model.weights - never.weights).norm())
    assert int((smooth != 0).sum()) == 13
    assert float((smooth - never.weights).norm()) > 3 * away
    assert float((planted - never.weights).norm()) > 3 * away, "as if the sum of all gradients were zero"
    assert float((start - never.weights).norm()) > 3 * away


def test_a_certificate_whose_noise_is_too_small_is_inconsistent() -> None:
    told = {"model": {"kind": "convex"}, "epsilon": 1.0, "delta": 1e-4, "sigma": 1.0, "distance": 0.9, "rows": 3, "removed": 1}

    class Guaranteed:
        guarantee, main = "certified(1, 0.0001)", None

    evidence: Any = Guaranteed()
    assert str(Distance(**told).disproof(evidence)).startswith("noise of sigma = 1 hides a distance of 0.9 with delta =")  # type: ignore[arg-type]
    assert Distance(**{**told, "distance": 0.1}).disproof(evidence) is None  # type: ignore[arg-type]
    assert str(Distance(**{**told, "epsilon": 2.0}).disproof(evidence)).startswith("it is one of certified(2, 0.0001)")  # type: ignore[arg-type]


def test_of_one_row_of_least_squares_the_jackknife_takes_its_leverage_too_little() -> None:
    """It is ``1 - h`` times the exact step, h the row's leverage, where the penalty counts nothing."""
    data = rows(40)
    for place in (0, 7, 19):
        gone = data.only(data.ids[[place]])
        jackknife, newton = (fitted(kind, data, base={"loss": "squared", "penalty": 1e-9}) for kind in (Jackknife, Newton))
        start, part = newton.weights, newton._objective_of(gone)
        assert newton.statistics is not None
        leverage = float(torch.trace(torch.linalg.solve(newton.statistics.matrix[0], part.hessian(start)[0])))
        for model in (jackknife, newton):
            model.forget(gone)
        assert 0.01 < leverage < 0.9
        torch.testing.assert_close(jackknife.weights - start, (1 - leverage) * (newton.weights - start), rtol=1e-5, atol=1e-9)


def test_the_bound_holds_whichever_row_leaves() -> None:
    data = rows(40)
    for row in data.ids:
        model = fitted(Newton, data)
        model.forget(data.only(row))
        assert model.statistics is not None
        assert float((model.weights - solved(data.without(row)).weights).norm()) <= model.statistics.distance(model.loss, 0.05)


def sphere(d: int, n: int, key: int) -> Rows:
    """Return rows of norm 1 in d dimensions, whose classes depend on a direction."""
    chance = np.random.default_rng(key)
    x = chance.normal(size=(n, d))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return Rows(np.arange(n), x.astype(np.float32), (x[:, 0] + 0.1 * chance.normal(size=n) > 0).astype(np.int64))


def capacity(d: int, penalty: float, sigma: Any) -> float:
    """Return the largest number of rows whose removal keeps the excess risk below .01 under noise of ``sigma(rows)``, as a real number.

    The noise is that of the mechanism, on the optimum of all rows; the risk is the mean loss, with its penalty, of the same rows.
    """
    n, chance = 2000, np.random.default_rng(d)
    data = sphere(d, n, d)
    targets = torch.tensor(np.where(data.y == 1, 1.0, -1.0))[:, None]
    objective = Objective(loss_of(Convex()), torch.tensor(data.x).double(), targets, penalty, torch.zeros(d, 1).double())
    optimum = minimise(objective).weights
    draws = torch.tensor(chance.standard_normal((40, d, 1)))

    def risk(weights: Tensor) -> float:
        scores = objective.x @ weights
        return float(objective.loss.values(scores, targets).mean()) + penalty / 2 * float(weights.square().sum())

    def excess(scale: float) -> float:
        return float(np.mean([risk(optimum + scale * one) for one in draws])) - risk(optimum)

    low, high = 1e-3, float(n)
    while high > 1.001 * low:
        middle = (low * high) ** 0.5
        low, high = (middle, high) if excess(sigma(middle, n)) < 0.01 else (low, middle)
    return low


@pytest.mark.slow
def test_more_rows_may_leave_than_privacy_of_groups_allows_and_in_many_dimensions_the_more() -> None:
    """Sekhari et al., NeurIPS 2021: of order ``n / d^(1/4)`` against ``n / d^(1/2)``."""
    penalty, epsilon, delta = 1.0, 1.0, 1e-4
    loss = loss_of(Convex())
    slope = loss.steepness(1) + penalty * 1.0  # of a row's loss, at parameters of norm 1 at most

    def newton(m: float, n: int) -> float:
        return analytic_gaussian(2 * loss.lipschitz * slope**2 * m**2 / (penalty**3 * n**2), epsilon, delta)

    def private(m: float, n: int) -> float:
        return analytic_gaussian(2 * slope * m / (penalty * n), epsilon, delta)

    sizes = (4, 16, 64, 256)
    rows_left = {sigma: [capacity(d, penalty, sigma) for d in sizes] for sigma in (newton, private)}
    powers = [float(np.polyfit(np.log(sizes), np.log(counts), 1)[0]) for counts in rows_left.values()]
    assert powers == pytest.approx([-0.25, -0.5], abs=0.03)
    assert all(ours > 10 * theirs for ours, theirs in zip(*rows_left.values(), strict=True))
