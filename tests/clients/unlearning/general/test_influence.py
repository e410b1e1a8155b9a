"""Influence: its products are those of the loss, its solver solves, and where theory holds it comes close to retraining."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.stats import kstest
from torch.autograd.functional import hessian

from clients.data.rows import Rows
from clients.models import ModelSpec
from clients.models.linear import Linear
from clients.models.mlp import Mlp
from clients.models.network import Network
from clients.training import Arrays, Sgd, Training
from clients.unlearning.contract import UnlearningError
from clients.unlearning.general.contract import Learning
from clients.unlearning.general.curvature import Curvature, Products, conjugate_gradients, lissa
from clients.unlearning.general.derivatives import SUM, Asked, Local
from clients.unlearning.general.influence import Influence
from clients.unlearning.noise import Noise

LINEAR = Linear()
CONVERGED = Training(epochs=250, batch_size=1000, optimizer=Sgd(lr=1.0, weight_decay=0.05))


def rows(n: int = 60, key: int = 0) -> Rows:
    chance = np.random.default_rng(key)
    x = chance.normal(size=(n, 4)).astype(np.float32)
    y = (x @ chance.normal(size=(4, 3)) + 0.5 * chance.normal(size=(n, 3))).argmax(axis=1)
    return Rows(3 + 2 * np.arange(n), x, y)


def trained(data: Rows, base: Any = LINEAR, training: Training = CONVERGED) -> tuple[Arrays, Learning]:
    learning = Learning(Network(base, (4,), 3), training, 1, ("influence",))
    return learning.train(learning.initial(), data, range(1))[0], learning


def distance(a: Arrays, b: Arrays) -> float:
    return float(np.sqrt(sum(((a[name].astype(float) - b[name]) ** 2).sum() for name in a)))


def asked(rows: Local) -> Asked:
    """Return the sums of rows that are here alone."""
    return Asked(rows.curvature, lambda question: rows.answer(question) | rows.counts())


@pytest.mark.parametrize("products", ["hessian", "gauss_newton"])
@pytest.mark.parametrize("base", [Linear(), Mlp(hidden=(5,))], ids=["linear", "mlp"])
def test_products_are_those_of_the_loss(base: Any, products: Products) -> None:
    data = rows(20)
    weights, learning = trained(data, base, Training(epochs=3, optimizer=Sgd(weight_decay=0.05)))
    curvature = Curvature(learning.network, weights, learning.training)
    shapes = [parameter.shape for parameter in curvature.parameters]
    x, y = torch.tensor(data.x).double(), torch.tensor(data.y)

    def logits(flat: torch.Tensor) -> Any:
        parts = [part.reshape(shape) for part, shape in zip(torch.split(flat, [s.numel() for s in shapes]), shapes, strict=True)]
        found = x
        for layer in range(0, len(parts), 2):
            found = (found if not layer else found.relu()) @ parts[layer].T + parts[layer + 1]
        return found

    def whole(flat: torch.Tensor) -> Any:
        return torch.nn.functional.cross_entropy(logits(flat), y, reduction="sum") + 20 * 0.05 / 2 * (flat**2).sum()

    at = curvature.flat()
    full: Any = hessian(whole, at)
    if products == "gauss_newton":
        jacobian: Any = torch.autograd.functional.jacobian(logits, at)
        p = torch.softmax(logits(at), 1).detach()
        middle = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
        full = torch.einsum("nka,nkl,nlb->ab", jacobian, middle, jacobian) + 20 * 0.05 * torch.eye(len(at))
    direction = torch.tensor(np.random.default_rng(1).normal(size=len(at)))
    torch.testing.assert_close(curvature.product(data, direction, products), full @ direction)
    flat = at.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(whole(flat), flat)
    torch.testing.assert_close(curvature.gradient(data), gradient)


def test_conjugate_gradients_solve_and_report_negative_curvature() -> None:
    chance = np.random.default_rng(0)
    root = torch.tensor(chance.normal(size=(12, 12)))
    matrix, right = root @ root.T + torch.eye(12), torch.tensor(chance.normal(size=12))
    found = conjugate_gradients(lambda v: matrix @ v, right, 1e-10, 100)
    torch.testing.assert_close(found.x, torch.linalg.solve(matrix, right), rtol=1e-7, atol=1e-9)
    assert not found.negative
    assert found.residual <= 1e-10
    assert conjugate_gradients(lambda v: matrix @ v, right, 1e-10, 2).iterations == 2
    assert conjugate_gradients(lambda v: matrix @ v, 0 * right, 1e-10, 9).x.tolist() == [0] * 12
    bent = matrix - 40 * torch.outer(right, right) / float(right @ right)
    assert conjugate_gradients(lambda v: bent @ v, right, 1e-10, 100).negative


@cache
def optimum(n: int, gone: int = 0) -> tuple[Arrays, Learning]:
    """Return the optimum on all but the first rows."""
    return trained(rows(n).without(rows(n).ids[:gone]))


def errors(gone: int, n: int = 60, **settings: Any) -> tuple[float, float]:
    """Return the distances to retraining after the method and after doing nothing."""
    data = rows(n)
    weights, learning = optimum(n)
    forget, retain = data.only(data.ids[:gone]), data.without(data.ids[:gone])
    never = optimum(n, gone)[0]
    found, outcome = Influence(damping=0.0, **settings).apply(weights, learning, forget, retain, ("request",))
    assert outcome.guarantee == "approximate"
    return distance(found, never), distance(weights, never)


def test_nine_tenths_of_the_distance_to_retraining_go_where_theory_holds() -> None:
    for gone in (1, 3):
        left, whole = errors(gone)
        assert left < 0.1 * whole
        assert left < 0.5 * errors(gone, hessian="all")[0], "the remaining rows' Hessian errs less than that of all"


def test_a_step_in_the_wrong_direction_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    turned = Curvature.gradient
    monkeypatch.setattr(Curvature, "gradient", lambda self, data: -turned(self, data))
    left, whole = errors(3)
    assert left > whole


def test_a_solve_that_leaves_as_much_as_no_step_is_not_taken() -> None:
    stiff, right = torch.tensor([1.0, 1000.0]).double(), torch.tensor([1.0, 0.01]).double()
    short, long = (conjugate_gradients(lambda v: stiff * v, right, 1e-6, most) for most in (1, 10))
    with pytest.raises(UnlearningError, match=r"influence: the linear solve leaves 9.1 of the gradient after 1 .*: raise damping"):
        short.trusted("influence")
    assert long.trusted("influence") is long, "the control"


def test_a_negative_hessian_gives_way_to_its_gauss_newton_part_and_says_so() -> None:
    data = rows()
    weights, learning = trained(data, Mlp(hidden=(5,)), Training(epochs=1))
    notes = Influence(damping=0.0).apply(weights, learning, data.only(data.ids[:5]), data.without(data.ids[:5]), ())[1].notes
    assert notes[0] == "the Hessian is negative along some direction: its Gauss-Newton part was used"
    usual = Influence(products="gauss_newton").apply(weights, learning, data.only(data.ids[:5]), data.without(data.ids[:5]), ())[1].notes
    assert all(note.startswith("cost: ") for note in usual)


def test_where_no_row_is_kept_the_weights_are_those_before_training() -> None:
    data = rows()
    weights, learning = trained(data)
    found, outcome = Influence().apply(weights, learning, data, data.without(data.ids), ())
    assert outcome.guarantee == "exact"
    assert distance(found, learning.initial()) == 0


def test_lissa_solves_with_the_damping_it_is_given_and_tells_where_it_diverges() -> None:
    chance = np.random.default_rng(0)
    root = torch.tensor(chance.normal(size=(12, 12)))
    matrix, right = root @ root.T / 12, torch.tensor(chance.normal(size=12))
    largest = float(torch.linalg.eigvalsh(matrix)[-1]) + 0.3
    wanted = torch.linalg.solve(matrix + 0.3 * torch.eye(12), right)
    for scale in (0.55 * largest, largest):
        found = lissa(lambda v: matrix @ v, right, 0.3, scale, 1e-9, 5000)
        torch.testing.assert_close(found.x, wanted, rtol=1e-7, atol=1e-8)
        assert found.residual <= 1e-9
    assert lissa(lambda v: matrix @ v, right, 0.3, 0.45 * largest, 1e-9, 5000).residual == np.inf
    assert 1e-9 < lissa(lambda v: matrix @ v, right, 0.3, largest, 1e-9, 3).residual < 1


@pytest.mark.parametrize("eigenvalue", [-0.5, 20.6])
def test_lissa_ends_where_a_series_grows_by_little(eigenvalue: float) -> None:
    """A hundred terms at the usual scale are too few for a residual to become large."""
    matrix, right = torch.diag(torch.tensor([1.0, eigenvalue], dtype=torch.float64)), torch.ones(2, dtype=torch.float64)
    assert lissa(lambda v: matrix @ v, right, 0.01, 10.0, 1e-6, 100).residual == np.inf
    fine = torch.diag(torch.tensor([1.0, 19.0], dtype=torch.float64))
    assert lissa(lambda v: fine @ v, right, 0.01, 10.0, 1e-6, 100).residual < 1, "the control"


def test_where_lissa_diverges_with_the_hessian_its_gauss_newton_part_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    honest, asked = Influence._solve, list[Products]()

    def solve(self: Influence, rows: Asked, right: torch.Tensor, products: Products) -> Any:
        asked.append(products)
        found = honest(self, rows, right, products)
        return found._replace(residual=np.inf) if products == "hessian" else found

    monkeypatch.setattr(Influence, "_solve", solve)
    left, whole = errors(3, solver="lissa", scale=2.0, iterations=2000, products="hessian")
    assert asked == ["hessian", "gauss_newton"]
    assert left < 0.1 * whole


def test_lissa_comes_to_the_same_weights_and_a_small_scale_is_refused() -> None:
    left, whole = errors(3, solver="lissa", scale=2.0, iterations=2000)
    assert left == pytest.approx(errors(3)[0], rel=1e-2)
    assert left < 0.1 * whole
    with pytest.raises(UnlearningError, match=r"influence: LiSSA diverges with scale = 0.02: take a larger one"):
        errors(3, solver="lissa", scale=0.02, iterations=500)


def test_sub_steps_move_less_each_and_optimisers_move_by_their_rate() -> None:
    assert errors(3, steps=4)[0] < 0.3 * errors(3)[1]
    assert errors(3, steps=4)[0] != errors(3)[0]
    data = rows()
    parts = data.only(data.ids[:3]), data.without(data.ids[:3])
    weights, learning = optimum(60)
    for optimizer in ("adam", "rmsprop"):
        found, _ = Influence(optimizer=optimizer, lr=1e-3, steps=1).apply(weights, learning, *parts, ())
        moved = np.abs(np.concatenate([(found[name].astype(float) - weights[name]).ravel() for name in found]))
        first = 1e-3 if optimizer == "adam" else 1e-3 / np.sqrt(0.01)
        np.testing.assert_allclose(moved, first, rtol=1e-3)
    for optimizer in ("adam", "rmsprop"):
        left, whole = errors(3, optimizer=optimizer, lr=5e-4, steps=5)
        assert left < whole


def test_noise_has_its_scale_and_its_epsilon_is_called_heuristic() -> None:
    data = rows()
    weights, learning = optimum(60)
    forget, retain = data.only(data.ids[:3]), data.without(data.ids[:3])
    bare, _ = Influence().apply(weights, learning, forget, retain, ("request",))
    noise = Noise(sensitivity=0.5, epsilon=2.0)
    drawn = []
    for k in range(40):
        found, outcome = Influence(noise=noise).apply(weights, learning, forget, retain, ("request", k))
        drawn.append(np.concatenate([(found[name].astype(float) - bare[name]).ravel() for name in found]))
        assert outcome.guarantee == "approximate"
        assert outcome.notes[-2].endswith("epsilon 2, delta 1e-05 are heuristic, nothing is proven")
    assert kstest(np.concatenate(drawn), "norm", args=(0, noise.scale)).pvalue > 0.01
    assert not np.array_equal(drawn[0], drawn[1]), "drawn anew for each request"


@pytest.mark.parametrize("settings", [{"damping": -1.0}, {"tolerance": 0.0}, {"tolerance": 1.0}, {"hessian": "none"}])
def test_bad_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(settings))):
        Influence(**settings)


def asking(method: Influence, weights: Arrays, learning: Learning, parts: list[tuple[Rows, Rows]], fault: float = 1.0) -> Any:
    """Return what a server asks of peers with rows to forget and to retain; the first one's sums may be faulty."""

    def ask(question: Arrays) -> Arrays:
        answers = [method.answer(weights, learning, forget, retain, question) for forget, retain in parts]
        answers[0][SUM] = answers[0][SUM] * fault
        return {name: np.sum([one[name] for one in answers], axis=0) for name in answers[0]}

    return ask


@pytest.mark.parametrize("base", [Linear(), Mlp(hidden=(5,))], ids=["linear", "mlp"])
@pytest.mark.parametrize(
    "settings",
    [{}, {"hessian": "all", "steps": 2}, {"products": "gauss_newton"}, {"solver": "lissa", "scale": 20.0, "iterations": 20}],
    ids=str,
)
def test_a_server_that_asks_unequal_peers_steps_as_with_all_rows(base: Any, settings: dict[str, Any]) -> None:
    data = rows()
    weights, learning = trained(data, base, Training(epochs=5, optimizer=Sgd(weight_decay=0.05)))
    weights = {name: array.astype(np.float64) for name, array in weights.items()}
    forget, retain = data.only(data.ids[:4]), data.without(data.ids[:4])
    none = data.without(data.ids)
    parts = [
        (none, retain.only(retain.ids[:3])),
        (forget, retain.only(retain.ids[3:40])),
        (none, retain.only(retain.ids[40:])),
        (none, none),
    ]
    method = Influence(**settings)
    pooled, _ = method.apply(weights, learning, forget, retain, ())
    found, outcome = method.solve(weights, learning, asking(method, weights, learning, parts), learning.initial(), ())
    size = distance(pooled, {name: 0 * array for name, array in pooled.items()})
    assert distance(found, pooled) < 1e-9 * size
    assert distance(pooled, weights) > 1e-6 * size
    assert "exchanges with peers" in outcome.notes[-1]
    faulty, _ = method.solve(weights, learning, asking(method, weights, learning, parts, -1.0), learning.initial(), ())
    assert distance(faulty, pooled) > 1e-6 * size, "the control: sums of one peer come with the wrong sign"


def test_a_server_whose_peers_keep_no_row_begins_again() -> None:
    data = rows()
    weights, learning = trained(data)
    method, none = Influence(), data.without(data.ids)
    found, _ = method.solve(weights, learning, asking(method, weights, learning, [(data, none), (none, none)]), learning.initial(), ())
    assert distance(found, learning.initial()) == 0


@pytest.mark.parametrize("count", [1, 4])
def test_a_correction_removes_nine_tenths_of_the_distance_to_right_rows(count: int) -> None:
    right = rows(400)
    wrong = Rows(right.ids, right.x, np.where(np.arange(len(right)) < count, (right.y + 1) % 3, right.y))
    weights, learning = trained(wrong)
    never, _ = trained(right)
    forget = wrong.only(wrong.ids[:count])
    found, _ = Influence(damping=0.0).apply(weights, learning, forget, right, ())
    assert distance(found, never) < 0.1 * distance(weights, never)
    deleted, _ = Influence(damping=0.0).apply(weights, learning, forget, right.without(forget.ids), ())
    assert distance(deleted, never) > distance(found, never), "the control: without what the rows say now"


def test_a_correction_is_a_deletion_and_rows_that_come_on_one_hessian() -> None:
    right = rows()
    wrong = Rows(right.ids, right.x, np.where(np.arange(len(right)) < 3, (right.y + 1) % 3, right.y))
    weights, learning = trained(wrong)
    curvature = Curvature(learning.network, weights, learning.training)
    old, new = wrong.only(wrong.ids[:3]), right.only(right.ids[:3])
    whole = Local(curvature, old, right, "remaining")
    torch.testing.assert_close(whole.gradient(), curvature.gradient(old) - curvature.gradient(new))
    assert whole.count == len(right)
    assert not Local(curvature, new, right, "remaining").gradient().any(), "what changes nothing moves nothing"
    assert Local(curvature, old, right, "all").count == len(wrong)


def test_a_network_of_two_hundred_parameters_is_solved_as_by_its_whole_matrix() -> None:
    data = rows(30)
    weights, learning = trained(data, Mlp(hidden=(25,)), Training(epochs=3, optimizer=Sgd(weight_decay=0.05)))
    curvature = Curvature(learning.network, weights, learning.training)
    whole = torch.stack([curvature.product(data, one, "gauss_newton") for one in torch.eye(len(curvature.flat())).double()])
    assert len(whole) == 203
    right = curvature.gradient(data.only(data.ids[:3]))
    found = conjugate_gradients(lambda v: curvature.product(data, v, "gauss_newton"), right, 1e-9, 500)
    torch.testing.assert_close(found.x, torch.linalg.solve(whole, right), rtol=1e-6, atol=1e-8)


def test_products_of_unequal_parts_add_up_to_that_of_all_rows() -> None:
    data = rows()
    weights, learning = trained(data, Mlp(hidden=(5,)), Training(epochs=3, optimizer=Sgd(weight_decay=0.05)))
    curvature = Curvature(learning.network, weights, learning.training)
    direction = torch.tensor(np.random.default_rng(1).normal(size=len(curvature.flat())))
    for products in ("hessian", "gauss_newton"):
        whole = curvature.product(data, direction, products)  # type: ignore[arg-type]
        parts = [curvature.product(data.only(part), direction, products) for part in np.split(data.ids, [1, 9, 9])]  # type: ignore[arg-type]
        assert float((sum(parts[1:], parts[0]) - whole).norm()) < 1e-12 * float(whole.norm())


def test_a_mean_in_the_place_of_a_sum_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Curvature.gradient
    monkeypatch.setattr(Curvature, "gradient", lambda self, data: honest(self, data) / len(data))
    left, whole = errors(3)
    assert left > 0.5 * whole


class Noisy(ModelSpec):
    """A layer behind dropout, or behind statistics of the batch."""

    kind: str = "noisy"
    batch: bool = False

    def build(self, shape: tuple[int, ...], classes: int, key: Any) -> torch.nn.Module:
        middle = torch.nn.BatchNorm1d(4) if self.batch else torch.nn.Dropout()
        return torch.nn.Sequential(torch.nn.Flatten(), middle, torch.nn.Linear(4, classes))


@pytest.mark.parametrize("batch", [False, True], ids=["dropout", "batch norm"])
def test_the_network_is_in_evaluation_mode_and_training_mode_is_noticed(batch: bool) -> None:
    data, network = rows(20), Network(Noisy(batch=batch), (4,), 3)
    weights = network.initial(("noisy",))
    curvature = Curvature(network, weights, Training())
    whole = curvature.gradient(data)
    parts = [curvature.gradient(data.only(part)) for part in np.split(data.ids, [1, 9])]
    torch.testing.assert_close(sum(parts[1:], parts[0]), whole)
    assert all(np.array_equal(array, weights[name]) for name, array in curvature.weights().items()), "no statistics were taken"
    curvature.module.train()
    faulty = [curvature.gradient(data.only(part)) for part in np.split(data.ids, [5, 10])]
    assert float((sum(faulty[1:], faulty[0]) - whole).norm()) > 1e-2 * float(whole.norm()), "the control"


def test_noise_that_is_drawn_once_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    data, (weights, learning) = rows(), optimum(60)

    def released(*keys: int) -> list[bytes]:
        method = Influence(noise=Noise(sensitivity=0.5, epsilon=2.0))
        found = [method.apply(weights, learning, data.only(data.ids[:3]), data.without(data.ids[:3]), ("request", key))[0] for key in keys]
        return [b"".join(one[name].tobytes() for name in one) for one in found]

    assert len(set(released(1, 2))) == 2
    honest = Noise.draw
    monkeypatch.setattr(Noise, "draw", lambda self, size, *key: honest(self, size, "one"))
    assert len(set(released(1, 2))) == 1, "the fault"
