"""Methods of noise, of closed forms and of a log, against plain computations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from clients.data.rows import Rows
from clients.models.row_gradients import row_slopes
from clients.streams import torch_generator
from clients.training import Sgd, Training
from clients.unlearning.contract import UnlearningError
from clients.unlearning.deep.amnesiac import Amnesiac
from clients.unlearning.deep.certified_deep import CertifiedDeep
from clients.unlearning.deep.importance import gone_classes
from clients.unlearning.deep.ntk import NtkScrubbing
from clients.unlearning.deep.student import Student
from clients.unlearning.general.contract import Learning
from tests.clients.unlearning.deep.small import (
    KEY,
    REQUEST,
    changed,
    counted,
    method,
    module,
    parts,
    rows,
    same,
    tensors,
    trained,
)


def noise(alpha: float, **settings: Any) -> dict[str, Any]:
    found = changed("fisher", alpha=alpha, **settings)[0]
    return {name: found[name].astype(float) - trained()[0][name] for name in found}


def test_fisher_noise_is_small_where_retained_rows_care_and_grows_with_the_root_of_alpha() -> None:
    once, more = noise(1e-8), noise(4e-8)
    for name in once:
        np.testing.assert_allclose(more[name], 2 * once[name], rtol=0.02, atol=2e-6)
    weights, learning = trained()
    _, retain = parts()
    sums = method("fisher").measure(weights, learning, *parts())
    fisher = sums["retain/1.weight"] / len(retain)
    size, cared = np.abs(once["1.weight"]), fisher > np.median(fisher[fisher > 0])
    assert size[~cared].mean() > 3 * size[cared].mean()


def test_fisher_noise_has_the_variance_of_the_formula() -> None:
    found, (_, retain) = noise(1e-4, cap=1e3), parts()
    squares = method("fisher").measure(*trained(), *parts())
    for name, cap in (("1.weight", 1e3), ("1.bias", 1e3), ("3.weight", 1e2), ("3.bias", 1e2)):
        fisher = squares[f"retain/{name}"] / len(retain)
        drawn = torch.randn(fisher.shape, generator=torch_generator(*REQUEST, "noise", name), dtype=torch.float64).numpy()
        variance = 1e-4 * np.minimum(1 / np.maximum(fisher, 1e-30), cap)
        np.testing.assert_allclose(found[name], np.sqrt(variance) * drawn, rtol=1e-4, atol=1e-6)
        assert (variance < 1e-4 * cap).any(), "the cap does not decide everywhere"


def test_fisher_variance_is_capped_at_the_last_layer_ten_times_lower() -> None:
    low, high = noise(1e-8, cap=1e-6), noise(1e-8, cap=1e-4)
    for name in low:
        np.testing.assert_allclose(high[name], 10 * low[name], rtol=0.6, atol=1e-6)
    scale = [np.std(noise(1e-2, cap=1e-3)[name]) for name in ("1.weight", "3.weight")]
    assert scale[0] / scale[1] == pytest.approx(10**0.5, rel=0.3)


def test_fisher_draws_the_weights_of_a_class_anew_that_goes_whole() -> None:
    found = changed("fisher", alpha=1e-12, data=parts(of_class=3))[0]["3.weight"]
    before, fresh = trained()[0]["3.weight"], trained()[1].network.initial((*REQUEST, "class"))["3.weight"]
    np.testing.assert_allclose(found[3], fresh[3], atol=1e-4)
    np.testing.assert_allclose(np.delete(found, 3, 0), np.delete(before, 3, 0), atol=1e-4)
    np.testing.assert_allclose(changed("fisher", alpha=1e-12)[0]["3.weight"], before, atol=1e-4)
    assert gone_classes({"go/classes": np.array([1, 2, 0]), "stay/classes": np.array([0, 1, 0])}).tolist() == [0]


def test_slopes_are_the_derivatives_of_every_output() -> None:
    x = tensors(rows())[0][:4]
    network = module(trained()[0])
    found = row_slopes(network, x)
    for row in range(4):
        for output in range(10):
            network.zero_grad()
            network(x[row : row + 1])[0, output].backward()
            flat = torch.cat([parameter.grad.flatten() for parameter in network.parameters() if parameter.grad is not None])
            torch.testing.assert_close(found[row * 10 + output], flat.double(), rtol=1e-4, atol=1e-6)


def test_ntk_moves_by_the_difference_of_two_ridge_solutions() -> None:
    forget, retain = parts()
    some = retain.keep(np.arange(len(retain)) < 12)
    spec = NtkScrubbing(damping=0.1)
    weights, learning = trained()
    found, _ = spec.apply(weights, learning, forget, some, REQUEST)
    begin = learning.network.build(("x",))
    from clients.training import from_arrays

    from_arrays(begin, learning.initial())

    def solution(data: Rows) -> torch.Tensor:
        slopes = row_slopes(begin, torch.tensor(data.x))
        lacking = (torch.eye(10)[torch.tensor(data.y)] - begin(torch.tensor(data.x)).detach()).double().flatten()
        square = slopes.T @ slopes + 0.1 * len(slopes) * torch.eye(slopes.shape[1])
        return torch.linalg.solve(square, slopes.T @ lacking)

    step = solution(some) - solution(forget.joined(some))
    flat = torch.cat([torch.tensor(weights[name]).double().flatten() for name in weights]) + step
    torch.testing.assert_close(torch.cat([torch.tensor(found[name]).double().flatten() for name in found]), flat, rtol=1e-4, atol=1e-5)


def test_ntk_lets_drawn_rows_stand_for_all_and_refuses_too_few() -> None:
    """Unweighted, the step would grow with the share of rows that is left out."""
    weights, learning = trained()
    forget, retain = parts()

    def step(most: int) -> float:
        found, _ = NtkScrubbing(rows=most, damping=0.1).apply(weights, learning, forget, retain, REQUEST)
        return float(sum(((found[name].astype(float) - weights[name]) ** 2).sum() for name in found)) ** 0.5

    whole = step(len(forget) + len(retain))
    assert step(len(forget) + len(retain) // 2) == pytest.approx(whole, rel=0.35)
    with pytest.raises(UnlearningError, match=rf"ntk: {len(forget)} rows to forget and as many retained exceed rows = 9: set rows higher"):
        step(9)


def test_amnesiac_subtracts_what_the_batches_concerned_did() -> None:
    training = Training(epochs=2, batch_size=16, optimizer=Sgd(lr=0.1))
    learning = Learning(trained()[1].network, training, 1, KEY)
    weights = learning.train(learning.initial(), rows(), range(1))[0]
    found, outcome = Amnesiac().apply(weights, learning, *parts(forget=1), REQUEST)
    network = module(learning.initial())
    from clients.streams import order

    kept = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    x, y = tensors(rows())
    for epoch in range(2):
        for batch in np.split(order(rows().ids, *KEY, "order", epoch), range(16, 90, 16)):
            network.zero_grad()
            cross_entropy(network(x[batch]), y[batch]).backward()
            for name, parameter in network.named_parameters():
                assert parameter.grad is not None
                if 0 not in batch:
                    kept[name] -= 0.1 * parameter.grad
                parameter.data -= 0.1 * parameter.grad
    for name, wanted in kept.items():
        np.testing.assert_allclose(found[name], wanted.numpy(), rtol=1e-4, atol=1e-5)
    assert outcome.cost.gradient_steps == training.steps(90)
    assert not [note for note in outcome.notes if "plain training" in note]
    again = Amnesiac().apply(found, learning, *parts(forget=1), REQUEST)[1]
    assert any("are not those of plain training" in note for note in again.notes)


def test_unsir_reads_the_class_of_the_rows_to_forget_and_nothing_else() -> None:
    forget, retain = map(counted, parts(of_class=3))
    weights, learning = trained()
    found, outcome = method("unsir").apply(weights, learning, forget, retain, REQUEST)
    assert set(forget.__dict__["reads"]) == {"y"}
    assert not same(found, weights)
    assert not [note for note in outcome.notes if "impaired, too" in note]
    assert any("impaired, too" in note for note in changed("unsir")[1].notes), "where rows of the class stay it says so"


def test_the_noise_of_unsir_is_what_the_network_takes_least_for_the_class() -> None:
    student, spec = Student(*trained(), REQUEST), method("unsir", noise_steps=40, penalty=0.0)
    like = student.load("retain", parts()[1])
    made: Any = spec._noise(student, [3], like)  # type: ignore[attr-defined]
    drawn: Any = method("unsir", noise_steps=0)._noise(student, [3], like)  # type: ignore[attr-defined]
    losses = [float(cross_entropy(student.module(one.x), one.y).detach()) for one in (drawn, made)]
    assert losses[1] > 2 * losses[0]
    assert made.y.tolist() == [3] * 256


def test_certified_deep_takes_the_newton_step_that_its_sum_tends_to() -> None:
    from clients.unlearning.general.curvature import Curvature

    _, retain = parts()
    settings = {"bound": 1e6, "sigma": 0.0, "damping": 1.0, "scale": 20.0, "depth": 150, "batch_size": 200}
    found, outcome = changed("certified_deep", **settings)
    weights, learning = trained()
    curvature = Curvature(learning.network, weights, learning.training)
    k = len(curvature.flat())
    step = torch.tensor(np.concatenate([(weights[name] - found[name].astype(float)).reshape(-1) for name in weights]))
    product = curvature.product(retain, step, "hessian") / len(retain) + step
    torch.testing.assert_close(product, curvature.gradient(retain) / len(retain), rtol=0.02, atol=2e-4)
    assert (k, outcome.guarantee) == (len(step), "approximate")


def test_certified_deep_bounds_perturbs_and_leaves_out_what_does_not_converge(monkeypatch: pytest.MonkeyPatch) -> None:
    found, outcome = changed("certified_deep", scale=1e-3)
    assert "of the gradient with scale = 0.001 and depth = 100, and was left out: raise both" in " ".join(outcome.notes)
    assert all(np.isfinite(array).all() for array in found.values())
    still = changed("certified_deep", bound=1e6, sigma=0.0, depth=1, scale=1e9)
    assert "relative residual of the Newton step 1" in " ".join(still[1].notes), "next to no step leaves next to all of the gradient"
    monkeypatch.setattr(CertifiedDeep, "_residual", lambda *_: 1.29)
    left, told = changed("certified_deep", bound=1e6, sigma=0.0)
    assert same(left, trained()[0])
    assert "leaves 1.3 of the gradient" in " ".join(told.notes)
    bounded = changed("certified_deep", bound=1.0, depth=0, sigma=0.0)[0]
    assert sum(float((array.astype(float) ** 2).sum()) for array in bounded.values()) == pytest.approx(1.0, rel=1e-4)
    perturbed = changed("certified_deep", bound=1e6, depth=0, sigma=0.01)[0]
    shift = np.concatenate([(perturbed[name] - trained()[0][name]).reshape(-1) for name in perturbed])
    assert shift.std() == pytest.approx(0.01, rel=0.1)
    assert not same(perturbed, trained()[0])
