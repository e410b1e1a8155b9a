"""L-CODEC: the coefficient, the selection, and a step that changes chosen weights alone and does more than one on random ones."""

from __future__ import annotations

from functools import cache
from itertools import count
from typing import Any

import numpy as np
import pytest
import torch

from clients.data.bundled import Digits
from clients.data.rows import Rows
from clients.models.linear import Linear
from clients.models.mlp import Mlp
from clients.models.network import Network
from clients.training import Arrays, Sgd, Training
from clients.unlearning.contract import UnlearningError
from clients.unlearning.general import dependence as measures
from clients.unlearning.general.contract import Learning
from clients.unlearning.general.curvature import Curvature, joined
from clients.unlearning.general.dependence import Floats, dependence, selected, squared_distances
from clients.unlearning.general.derivatives import Local
from clients.unlearning.general.influence import Influence
from clients.unlearning.general.l_codec import LCodec
from clients.unlearning.general.units import Unit, among, answers, masks
from tests.clients.unlearning.general.test_influence import asked

N = 400


def apart(*columns: Floats) -> Floats:
    return np.asarray(sum(squared_distances(one) for one in columns))


def nearest(i: int, columns: list[Floats]) -> int:
    """Return the nearest other observation, the first among equals."""
    distances = [float(sum((one[i] - one[j]) ** 2 for one in columns)) for j in range(len(columns[0]))]
    return min((j for j in range(len(distances)) if j != i), key=lambda j: (distances[j], j))


def plainly(y: Floats, z: Floats, given: Floats | None = None) -> float:
    """The definition, one observation and one pair after the other."""
    n, above, below = len(y), 0.0, 0.0
    for i in range(n):
        r, upper = [int((y <= one).sum()) for one in y], int((y >= y[i]).sum())
        with_z = min(r[i], r[nearest(i, [z] if given is None else [z, given])])
        if given is None:
            above, below = above + n * with_z - upper**2, below + upper * (n - upper)
        else:
            known = min(r[i], r[nearest(i, [given])])
            above, below = above + with_z - known, below + r[i] - known
    return above / below


@pytest.mark.parametrize("ties", [False, True])
def test_the_coefficient_is_that_of_its_definition(ties: bool) -> None:
    chance = np.random.default_rng(0)
    z, x = chance.normal(size=(2, 25))
    y = np.round(z + 0.5 * x) if ties else z + 0.5 * x
    assert dependence(y, apart(z)) == pytest.approx(plainly(y, z))
    assert dependence(y, apart(z), apart(x)) == pytest.approx(plainly(y, z, x))


def test_it_is_near_nought_for_independence_and_near_one_for_functions() -> None:
    chance = np.random.default_rng(1)
    z, other = chance.normal(size=(2, N))
    assert abs(dependence(other, apart(z))) < 4 / np.sqrt(N)
    for function in (np.exp, np.cos, np.square):
        assert dependence(function(z), apart(z)) > 0.9
    assert dependence(np.exp(z + other), apart(z)) == dependence(z + other, apart(z)), "only the order of y counts"
    assert dependence(z + other, 9 * apart(z), 9 * apart(other)) == dependence(z + other, apart(z), apart(other))
    assert dependence(np.zeros(N), apart(z)) == 0


def test_of_an_exclusive_or_either_bit_alone_says_nothing_and_both_say_all() -> None:
    chance = np.random.default_rng(2)
    bits = chance.integers(0, 2, size=(2, N)).astype(float)
    y, noisy = np.abs(bits[0] - bits[1]), bits + 1e-6 * chance.normal(size=(2, N))
    assert max(abs(dependence(y, apart(one))) for one in noisy) < 4 / np.sqrt(N)
    assert dependence(y, apart(noisy[1]), apart(noisy[0])) > 0.9


def test_a_neighbour_that_may_be_oneself_makes_everything_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(3)
    z, other = chance.normal(size=(2, N))
    monkeypatch.setattr(measures, "neighbours", lambda distances: distances.argmin(axis=1))
    assert dependence(other, apart(z)) > 0.9


@pytest.mark.parametrize("seed", range(5))
def test_the_two_columns_on_which_y_depends_are_found_strongest_first(seed: int) -> None:
    columns = np.random.default_rng(seed).normal(size=(N, 8))
    found = selected(3 * columns[:, 5] + columns[:, 2] ** 2, columns, 8)
    assert found[:2] == [5, 2]
    assert len(found) < 8, "it stops"


# the step ----------------------------------------------------------------------------------------------------------------------------

Case = tuple[Learning, Arrays, Rows, Rows]


@cache
def case(seed: int, hidden: int = 0) -> Case:
    """Return digits, learnt to near an optimum: learning, weights, one row to forget, and the others."""
    data = Digits().load()
    order = np.random.default_rng(seed).permutation(len(data))
    rows = data.rows(np.sort(order[:200]))
    training = Training(epochs=80, batch_size=200, optimizer=Sgd(lr=1.0, weight_decay=1e-2))
    network = Network(Mlp(hidden=(hidden,)) if hidden else Linear(), data.shape, 10)
    learning = Learning(network, training, 1, ("l_codec", seed), data.rows(np.sort(order[200:400])))
    return learning, learning.train(learning.initial(), rows, range(1))[0], rows.only(order[:1]), rows.without(order[:1])


def all_units(learning: Learning, weights: Arrays, rows: Rows) -> list[Unit]:
    curvature = Curvature(learning.network, weights, learning.training)
    return answers(curvature.module, learning.network.inputs(rows.x).double())[0]


def stepped(method: LCodec, learning: Learning, weights: Arrays, units: list[Unit], forget: Rows, retain: Rows) -> Arrays:
    """Return the weights after the step on some units."""
    curvature = Curvature(learning.network, weights, learning.training)
    method.stepped(curvature, asked(Local(curvature, forget, retain)), joined(list(masks(curvature.module, units).values())))
    return curvature.weights()


def left(learning: Learning, weights: Arrays, retain: Rows) -> float:
    """Return the norm of the gradient on the rows that are kept."""
    return float(Curvature(learning.network, weights, learning.training).gradient(retain).norm())


def test_weights_of_other_units_keep_every_bit() -> None:
    learning, weights, forget, retain = case(0, 12)
    weights = {name: array.copy() for name, array in weights.items()}
    for array in weights.values():
        array.ravel()[::7] = -0.0
    method = LCodec(units=3, gap=1.0)
    curvature = Curvature(learning.network, weights, learning.training)
    chosen = method.chosen(curvature, forget, ("key",))
    assert 0 < len(chosen) <= 3
    found, outcome = method.apply(weights, learning, forget, retain, ("key",))
    theirs = {name: mask.numpy() for name, mask in masks(curvature.module, chosen).items()}
    for name, old in weights.items():
        same = old.view(np.uint32) == found[name].view(np.uint32)
        assert same[~theirs[name]].all(), "even the sign of zero"
        assert found[name].dtype == old.dtype
    assert any((weights[name] != found[name]).any() for name in weights)
    assert outcome.notes[0].startswith(f"{len(chosen)} units changed, of ")


def test_units_are_found_again_in_their_masks() -> None:
    learning, weights, forget, _ = case(0, 12)
    module = Curvature(learning.network, weights, learning.training).module
    every = all_units(learning, weights, forget)
    for units in ([], every[3:5], every[10:14], every):
        assert among(module, masks(module, units)) == units


def test_units_of_a_layer_that_answers_a_sequence_are_its_neurons() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 7), torch.nn.Flatten(), torch.nn.Linear(35, 2))
    found, said, _ = answers(module, torch.randn(4, 5, 3))
    assert [unit.number for unit in found if unit.layer == "0"] == list(range(7))
    assert said.shape == (4, 9)
    assert not masks(module, [found[6]])["0.weight"][:6].any()
    with pytest.raises(UnlearningError, match="no linear layer and no convolution"):
        answers(torch.nn.Flatten(), torch.randn(4, 5, 3))


def test_of_many_rows_those_that_are_looked_at_are_drawn_by_key() -> None:
    learning, weights, _, retain = case(0, 12)
    method, curvature, many = LCodec(copies=20), Curvature(learning.network, weights, learning.training), retain.only(retain.ids[:100])
    swapped = Rows(many.ids, np.concatenate([many.x[:20], many.x[:19:-1]]), np.concatenate([many.y[:20], many.y[:19:-1]]))
    assert method.chosen(curvature, many, ("key",)) != method.chosen(curvature, swapped, ("key",)), "rows after the twentieth count"


def test_no_unit_changes_nothing() -> None:
    learning, weights, forget, retain = case(0, 12)
    found = stepped(LCodec(), learning, weights, [], forget, retain)
    assert all(found[name].tobytes() == weights[name].tobytes() for name in weights)


def test_all_units_of_a_linear_model_take_the_newton_step() -> None:
    learning, weights, forget, retain = case(0)
    found = stepped(LCodec(damping=1e-3), learning, weights, all_units(learning, weights, forget), forget, retain)
    newton, _ = Influence(products="gauss_newton", damping=1e-3).apply(weights, learning, forget, retain, ())
    assert all(np.allclose(found[name], newton[name], atol=1e-6) for name in weights)


def gains(seed: int) -> tuple[float, float]:
    """Return by how much the gradient on kept rows falls with chosen units, and with as many random ones, over eight rows to forget."""
    learning, weights, first, others = case(seed)
    rows, method, found = others.joined(first), LCodec(units=3, tolerance=1e-3), np.zeros(2)
    every, chance = all_units(learning, weights, rows), np.random.default_rng(seed)
    for i in range(8):
        forget = rows.only(rows.ids[[24 * i]])
        retain = rows.without(forget.ids)
        chosen = method.chosen(Curvature(learning.network, weights, learning.training), forget, ("gain", seed, i))
        drawn = [every[j] for j in chance.choice(len(every), len(chosen), replace=False)]
        for k, units in enumerate((chosen, drawn)):
            there = stepped(method, learning, weights, units, forget, retain)
            found[k] += left(learning, weights, retain) - left(learning, there, retain)
    return float(found[0]), float(found[1])


def test_at_an_optimum_chosen_units_do_more_than_as_many_random_ones() -> None:
    found = np.array([gains(seed) for seed in range(5)])
    assert (found[:, 0] > found[:, 1]).all(), found
    assert found[:, 0].sum() > 2 * found[:, 1].sum()


def test_a_step_that_costs_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    learning, weights, forget, retain = case(0)
    right = count()

    def guessing(self: Network, arrays: Any, x: Any) -> Any:
        return np.eye(10)[learning.validation.y if not next(right) else (learning.validation.y + 1) % 10]  # type: ignore[union-attr]

    monkeypatch.setattr(Network, "probabilities", guessing)
    with pytest.raises(UnlearningError, match=r"l_codec: accuracy on validation rows would fall from 1\.000 to 0\.000, more than gap"):
        LCodec().apply(weights, learning, forget, retain, ("key",))


def test_without_kept_rows_weights_are_those_before_training() -> None:
    learning, weights, forget, retain = case(0)
    found, outcome = LCodec().apply(weights, learning, forget, retain.keep(np.zeros(len(retain), bool)), ("key",))
    assert outcome.guarantee == "exact"
    assert all(np.array_equal(found[name], array) for name, array in learning.initial().items())


def test_each_answer_is_that_of_the_unit_whose_weights_are_masked() -> None:
    learning, weights, forget, _ = case(0, 12)
    curvature = Curvature(learning.network, weights, learning.training)
    x = learning.network.inputs(forget.x).double()
    units, before, _ = answers(curvature.module, x)
    for place in (0, 11, 12, 21):
        mask = joined(list(masks(curvature.module, [units[place]]).values()))
        start = curvature.flat()
        curvature.move(mask.double())
        moved = (answers(curvature.module, x)[1] != before)[0]
        curvature.put(start)
        same_layer = [j for j, unit in enumerate(units) if unit.layer == units[place].layer]
        assert [j for j in same_layer if moved[j]] == [place]
        assert not any(moved[j] for j in range(len(units)) if j < same_layer[0]), "earlier layers answer as before"


def test_the_curvature_of_the_row_itself_is_no_part_of_the_step() -> None:
    """As if its Hessian were zero, it would be that of all rows (the fault of the public code)."""
    learning, weights, forget, retain = case(0)
    units, method = all_units(learning, weights, forget), LCodec(damping=1e-3)
    honest = stepped(method, learning, weights, units, forget, retain)
    everything = retain.joined(forget)
    curvature = Curvature(learning.network, weights, learning.training)
    faulty = asked(Local(curvature, forget, everything))
    rows, inside = Local(curvature, forget, retain), joined(list(masks(curvature.module, units).values()))
    faulty.gradient = lambda: rows.gradient()  # type: ignore[method-assign]
    method.stepped(curvature, faulty, inside)
    newton, _ = Influence(products="gauss_newton", damping=1e-3).apply(weights, learning, forget, retain, ())
    apart = [max(float(np.abs(one[name] - newton[name]).max()) for name in newton) for one in (honest, curvature.weights())]
    assert apart[0] < 1e-6 < 1e-5 < apart[1]
