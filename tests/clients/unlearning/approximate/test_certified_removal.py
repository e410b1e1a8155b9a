"""A certificate of removal bounds what it says, hides it, and is refused where it does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.stats import beta
from torch import Tensor

from clients.checks.material import rows_material
from clients.data.rows import Rows
from clients.unlearning.approximate.certified.certificate import PERTURBATION
from clients.unlearning.approximate.certified.certifiers import Step
from clients.unlearning.approximate.certified.perturbation import Law
from clients.unlearning.approximate.certified.removal import Removing
from clients.unlearning.approximate.certified.spec import CertifiedRemoval
from clients.unlearning.contract import COST_NOTE, Cost, Problem
from clients.unlearning.convex.objective import Objective
from clients.unlearning.convex.solver import Optimum, minimise
from clients.unlearning.convex.spec import Convex
from clients.unlearning.mechanisms import hidden
from tests.clients.unlearning.convex.test_convex import exact_norm

SMOOTH: dict[str, dict[str, Any]] = {"logistic": {}, "softmax": {"multiclass": "softmax"}, "squared": {"loss": "squared"}}


def rows(n: int = 40, key: int = 0, classes: int = 2) -> Rows:
    chance = np.random.default_rng(key)
    x = chance.random((n, 3)).astype(np.float32)
    y = (x @ np.array([2, -1, 0.5]) + 0.2 * chance.normal(size=n) > 0.7).astype(np.int64)
    return Rows(5 + 2 * np.arange(n), x, np.where(chance.random(n) < 0.3, 2, y) if classes == 3 else y)


def removing(
    data: Rows, classes: int = 2, key: tuple[Any, ...] = ("test",), base: dict[str, Any] | None = None, **settings: Any
) -> Removing:
    spec = CertifiedRemoval(base=Convex(**(base or {"penalty": 0.05})), **settings)
    model = Removing(spec, Problem((3,), classes), key)
    model.fit(data)
    return model


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", SMOOTH)
def test_every_bound_lies_above_the_residual_in_fifty_digits_and_above_the_tighter_ones(name: str, seed: int) -> None:
    data = rows(key=seed, classes=3)
    model = removing(data, 3, ("bounds", seed), {"penalty": 0.05, **SMOOTH[name]}, sigma=0.5)
    for gone in (data.ids[:1], data.ids[3:8]):
        before, weights = model.bound, model.weights
        model.drop(gone)
        objective = model.objective()
        step = Step(objective, weights, objective.newton(weights, objective.gradient(weights)), len(gone), before)
        true = exact_norm(name, objective, step.end)
        bounds = [step.measured(), step.data_dependent()] + ([step.worst_case()] if name != "squared" else [])
        assert true <= bounds[0]
        assert bounds == sorted(bounds)
        assert bounds[0] <= true + 1e-12
        model.weights, model.bound = step.end, step.measured()


def test_a_constant_of_the_wrong_size_breaks_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    data = rows(200)
    broken = 0
    for scale in (1.0, 0.02):
        model = removing(data, sigma=0.1)
        monkeypatch.setattr(model.loss, "lipschitz", model.loss.lipschitz * scale, raising=False)
        model.drop(data.ids[:60])
        objective = model.objective()
        step = Step(objective, model.weights, objective.newton(model.weights, objective.gradient(model.weights)), 60, model.bound)
        broken += step.data_dependent() < step.measured()
    assert broken == 1


def test_squared_loss_takes_one_step_to_rounding_whatever_leaves() -> None:
    data = rows(60)
    model = removing(data, base={"loss": "squared"}, certifier="data_dependent")
    outcome = model.forget(data.ids[:30])
    assert outcome.certificate is not None
    assert outcome.certificate["bound"] < 1e-10
    assert outcome.notes[-1] == f"{COST_NOTE}1 Newton steps"
    assert float((model.weights - minimise(model.objective()).weights).norm()) < 1e-11


def test_order_and_batches_matter_no_more_than_the_bounds_allow() -> None:
    data = rows(80)
    ends = []
    for requests in ([data.ids[:6]], [data.ids[[i]] for i in range(6)], [data.ids[[i]] for i in (5, 2, 0, 1, 4, 3)]):
        model = removing(data, sigma=5.0)
        for ids in requests:
            assert model.forget(ids).guarantee == "certified(1, 0.0001)"
        ends.append((model.weights, model.bound, model.objective().ridge))
    for weights, bound, ridge in ends[1:]:
        distance = float((weights - ends[0][0]).norm())
        assert 0 < distance <= (bound + ends[0][1]) / ridge
    assert float((removing(data, sigma=5.0).weights - ends[0][0]).norm()) > 100 * ends[0][1], "who does nothing is further away"


def test_the_certificate_is_of_the_parameters_that_answer() -> None:
    data = rows()
    model = removing(data)
    before = model.predict_proba(data.x)
    outcome = model.forget(data.ids[:3])
    assert outcome.certificate is not None
    assert outcome.certificate["bound"] == model.objective().at(model.weights).residual
    assert not np.array_equal(model.predict_proba(data.x), before)
    again = Removing(model.spec, model.problem, ("test",))
    again.restore(model.state(), data.without(data.ids[:3]))
    np.testing.assert_array_equal(again.predict_proba(data.x), model.predict_proba(data.x))


def test_a_spent_budget_forces_a_training_with_another_perturbation_each_time() -> None:
    data = rows()
    model = removing(data, sigma=1e-6, certifier="worst_case")
    drawn = [model.perturbation.numpy().tobytes()]
    for k in range(3):
        outcome = model.forget(data.ids[[k]])
        certificate = outcome.certificate
        assert certificate is not None
        assert certificate["draw"] == k + 1
        assert certificate["bound"] <= certificate["budget"]
        assert "the budget is spent: trained again with a fresh perturbation" in outcome.notes[1]
        torch.testing.assert_close(model.weights, minimise(model.objective()).weights, rtol=0, atol=0)
        assert model.stored()[0].ids.tolist() == model.rows.ids.tolist()
        drawn.append(model.perturbation.numpy().tobytes())
    assert len(set(drawn)) == 4


def test_a_budget_below_rounding_certifies_nothing_and_is_refused_before_the_run() -> None:
    data = rows()
    spec = CertifiedRemoval(sigma=1e-13)
    said = spec.check(Problem((3,), 2), data)
    assert said is not None
    assert said.startswith(
        "certified_removal with sigma = 1e-13 has a budget of 2.3e-14, below the 1.8e-13 that rounding may take for 40 rows"
    )
    assert CertifiedRemoval().check(Problem((3,), 2), data) is None
    outcome = removing(data, sigma=1e-13).forget(data.ids[:1])
    assert (outcome.guarantee, outcome.certificate) == ("approximate", None)
    assert outcome.notes[-1] == "no certificate: rounding alone exceeds the budget"


def test_what_the_optimiser_leaves_is_charged(monkeypatch: pytest.MonkeyPatch) -> None:
    data = rows()

    def lazy(objective: Objective) -> Optimum:
        return Optimum(torch.zeros_like(objective.linear), 0)

    monkeypatch.setattr("clients.unlearning.convex.learner.minimise", lazy)
    model = removing(data, sigma=100.0, certifier="worst_case")
    charged = model.bound
    assert charged >= float(model.objective().gradient(model.weights).norm()) > 1
    model.forget(data.ids[:1])
    monkeypatch.undo()
    well = removing(data, sigma=100.0, certifier="worst_case")
    well.forget(data.ids[:1])
    assert model.bound > well.bound, "a bad start costs budget"


def test_before_training_and_without_rows_nothing_needs_a_certificate() -> None:
    data = rows()
    model = Removing(CertifiedRemoval(), Problem((3,), 2), ("test",))
    model.begin(data)
    assert model.forget(data.ids[:2]).guarantee == "exact"
    model.advance()
    assert model.forget([]).cost == Cost()
    outcome = model.forget(model.rows.ids)
    assert (outcome.guarantee, outcome.certificate) == ("exact", None)
    assert not model.weights.any()
    assert not len(model.stored()[0].ids)


def test_laws_draw_with_their_scale_and_tell_others_apart() -> None:
    gauss, pure = Law(1, 1e-4, 0.3), Law(1, 0, 0.3)
    many = gauss.draw((400, 50), "many")
    assert abs(many.std() / 0.3 - 1) < 0.02
    norms = np.array([np.linalg.norm(pure.draw((5, 2), "pure", k)) for k in range(2000)]) / 0.3
    assert abs(norms.mean() - 10) < 4 * np.sqrt(10 / 2000), "a gamma law of ten dimensions"
    assert abs(norms.var() - 10) < 2
    for law in (gauss, pure):
        assert all(law.plausible(law.draw((5, 2), "drawn", k)) for k in range(50))
        assert not law.plausible(np.zeros((5, 2)))
        assert not law.plausible(1e-3 * law.draw((5, 2), "drawn", 0))
        assert not law.plausible(20 * law.draw((5, 2), "drawn", 0))


def test_budgets_follow_from_the_law() -> None:
    assert Law(1, 1e-4, 0.1).factor == pytest.approx(4.3854, abs=1e-4)
    assert 1.5 * np.exp(-(Law(1, 1e-4, 0.1).factor ** 2) / 2) == pytest.approx(1e-4)
    assert Law(2, 1e-4, 0.1).budget == pytest.approx(0.2 / 4.3854, rel=1e-4)
    assert Law(2, 0, 0.1).budget == 0.2
    shift = np.random.default_rng(0).normal(size=1_000_000)
    for epsilon, spread in ((0.5, 1.0), (1.0, 2.0)):
        loss = (1 + 2 * shift * spread) / (2 * spread**2)  # of x = 1 + spread * shift against a mean of 0
        assert hidden(epsilon, spread) == pytest.approx(np.maximum(0, 1 - np.exp(epsilon - loss)).mean(), rel=0.03)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"certifier": "data_dependent", "hessian": "kept"}, "those with a kept Hessian are none: take measured"),
    ({"epsilon": 0.0}, "epsilon"),
    ({"epsilon": -1.0}, "epsilon"),
    ({"epsilon": 50.0}, "epsilon 50 is too large for delta 0.0001"),
    ({"delta": 1.0}, "delta"),
    ({"delta": -1e-9}, "delta"),
    ({"sigma": 0.0}, "sigma"),
    ({"base": {"kind": "convex", "lasso": 0.1}}, "lasso has some: set lasso = 0"),
    ({"base": {"kind": "mlp"}}, "nothing is proven of removals from 'mlp': take a linear model with a convex loss"),
    ({"base": "resnet"}, "nothing is proven of removals from 'resnet'"),
    ({"base": {"kind": "convex", "loss": "huber_hinge"}, "certifier": "worst_case"}, "huber_hinge has some: take measured"),
    ({"base": {"kind": "convex", "loss": "squared"}, "certifier": "worst_case"}, "those of the squared loss are not: take measured"),
]


@pytest.mark.parametrize(("settings", "said"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_settings_of_which_nothing_is_proven_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        CertifiedRemoval(**settings)
    (error,) = caught.value.errors()
    assert said in f"{'.'.join(map(str, error['loc']))} {error['msg']}"


def shown(sigma: float, count: int, epsilon: float = 1.0, delta: float = 1e-4) -> float:
    """Return a lower confidence limit of epsilon, by an attack that tells removed from retrained models, a fresh perturbation each.

    Models are projected on the published step; the threshold is chosen on one half of them and judged on the other.
    """
    data = rows(25, key=9)
    model, rested = (removing(data, base={"penalty": 0.02}, sigma=sigma, epsilon=epsilon, delta=delta) for _ in range(2))
    whole, gone = model.objective(), data.ids[[3]]
    rested.drop(gone)
    rest = rested.objective()
    direction = rest.newton(minimise(whole).weights, rest.gradient(minimise(whole).weights))
    removed, retrained = np.empty(count), np.empty(count)
    for k in range(count):
        drawn = [torch.tensor(model.law.draw(model.shape, "attack", k, side)) for side in range(2)]
        start = minimise(Objective(whole.loss, whole.x, whole.targets, whole.penalty, drawn[0])).weights
        kept = Objective(rest.loss, rest.x, rest.targets, rest.penalty, drawn[0])
        removed[k] = float((direction * (start + kept.newton(start, kept.gradient(start)))).sum())
        other = Objective(rest.loss, rest.x, rest.targets, rest.penalty, drawn[1])
        retrained[k] = float((direction * minimise(other).weights).sum())
    half = count // 2
    tries = np.quantile(np.concatenate([removed[:half], retrained[:half]]), np.linspace(0.02, 0.98, 49))
    best = max((limit(removed[:half], retrained[:half], t, delta), t) for t in tries)[1]
    return limit(removed[half:], retrained[half:], best, delta)


def limit(removed: np.ndarray, retrained: np.ndarray, threshold: float, delta: float) -> float:
    """Return the lower 95 % limit of ``log((P(removed on a side) - delta) / P(retrained there))`` over both sides and both directions."""
    limits = []
    for one, other in ((removed, retrained), (retrained, removed)):
        for side in (np.greater, np.less):
            hits, false, n = int(side(one, threshold).sum()), int(side(other, threshold).sum()), len(one)
            low = beta.ppf(0.025 / 4, hits, n - hits + 1) if hits else 0.0
            high = beta.ppf(1 - 0.025 / 4, false + 1, n - false) if false < n else 1.0
            limits.append(np.log(max(low - delta, 1e-9) / high))
    return float(max(limits))


def test_an_attack_stays_below_epsilon_and_succeeds_without_the_perturbation() -> None:
    assert shown(hiding(), 160) < 1
    assert shown(1e-7, 160) > 1


@pytest.mark.slow
def test_an_attack_on_two_thousand_models_a_side_stays_below_epsilon() -> None:
    assert shown(hiding(), 2000) < 1
    assert shown(1e-7, 2000) > 3
    assert shown(hiding() / 60, 2000) > 3, "a sigma that is too small for its residual is found out"


def hiding() -> float:
    """Return the sigma of which the residual of the attacked removal takes the whole budget."""
    data = rows(25, key=9)
    model = removing(data, base={"penalty": 0.02}, sigma=1e-7)
    model.drop(data.ids[[3]])
    objective = model.objective()
    step = Step(objective, model.weights, objective.newton(model.weights, objective.gradient(model.weights)), 1, model.bound)
    return step.measured() * model.law.factor


def test_the_step_is_the_published_one_from_an_optimum() -> None:
    data = rows()
    model = removing(data)
    weights, x, targets = model.weights, model.objective().x[:3].clone(), model.objective().targets[:3].clone()
    model.drop(data.ids[:3])
    objective = model.objective()
    left: Tensor = x.T @ model.loss.slopes(x @ weights, targets) + 3 * model.convex.penalty * weights
    published = -objective.newton(weights, left)
    torch.testing.assert_close(objective.newton(weights, objective.gradient(weights)), published, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("base", [{}, {"multiclass": "softmax"}, {"loss": "huber_hinge"}], ids=str)
def test_a_kept_hessian_without_rows_is_that_of_the_others(base: dict[str, Any]) -> None:
    data = rows(50, classes=3)
    model = removing(data, 3, base=base, hessian="kept", sigma=10.0)
    anchor, gone = model.weights, data.ids[[4, 7]]
    rest = removing(data.without(gone), 3, base=base)
    more = model.convex.penalty * 2  # the penalty of the rows that left stays in it
    hessian = rest.objective().hessian(anchor)
    hessian.diagonal(dim1=1, dim2=2).add_(more)
    assert model.kept is not None
    kept = model.kept.without(model.part(gone), model.weights)
    assert kept is not None
    torch.testing.assert_close(kept.inverse, torch.linalg.inv(hessian), rtol=1e-8, atol=1e-9)
    model.drop(gone)
    torch.testing.assert_close(kept.gradient, model.objective().gradient(anchor), rtol=1e-9, atol=1e-11)


def test_a_kept_hessian_is_renewed_when_the_residual_asks_for_it() -> None:
    data, counted = rows(60), []
    for sigma in (5.0, 1e-5):
        model = removing(data, hessian="kept", sigma=sigma)
        outcomes = [model.forget(data.ids[[k]]) for k in range(6)]
        counted.append([outcome.notes[-1] for outcome in outcomes])
        for outcome in outcomes:
            assert outcome.certificate is not None
            assert outcome.certificate["bound"] <= outcome.certificate["budget"]
        assert model.bound == model.objective().at(model.weights).residual
    assert set(counted[0]) == {f"{COST_NOTE}0 Newton steps"}
    assert f"{COST_NOTE}0 Newton steps" not in counted[1]


def test_the_secret_is_the_keys_and_another_one_is_refused() -> None:
    of = rows_material()
    models = [CertifiedRemoval().build(of.problem, (key,)) for key in ("one", "another")]
    for model in models:
        model.fit(of.data)
    first, second = (model.state()["perturbation"] for model in models)
    assert not np.array_equal(first, second)
    assert PERTURBATION in models[0].state()


@pytest.mark.slow
def test_no_bound_of_a_thousand_removals_lies_below_the_residual_in_fifty_digits() -> None:
    left, slack = 0, 1e-10
    for seed in range(10):
        data = rows(130, key=seed)
        model = removing(data, 2, ("thousand", seed), {"penalty": 0.05}, sigma=0.5)
        for row in data.ids[:100]:
            before, weights = model.bound, model.weights
            model.drop(np.array([row]))
            objective = model.objective()
            step = Step(objective, weights, objective.newton(weights, objective.gradient(weights)), 1, before)
            true = exact_norm("logistic", objective, step.end)
            bounds = [step.measured(), step.data_dependent(), step.worst_case()]
            assert true <= bounds[0] <= true + slack
            assert bounds == sorted(bounds)
            model.weights, model.bound, left = step.end, step.measured(), left + 1
    assert left == 1000
