"""DP-SGD: no row moves a step farther than the clipping norm, and each row's draws are its own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from clients.data.bundled import Digits
from clients.data.rows import Rows
from clients.models.cnn import Cnn
from clients.models.mlp import Mlp
from clients.models.network import Network
from clients.models.spiking import Spiking
from clients.privacy import descent
from clients.privacy.descent import clipped, noised, train_privately
from clients.privacy.settings import DpSgd, LocalTraining
from clients.training import Adam, Arrays, Sgd

KEY = ("test",)
DATA = Digits().load()
NETWORK = Network(Mlp(hidden=(8,)), DATA.shape, DATA.classes)
ROWS = DATA.rows(np.arange(60))


def trained(rows: Rows, network: Network = NETWORK, pull: float = 0.0, private: Any = None, **settings: Any) -> Arrays:
    """Return the weights after a round from the same start; by default a step on all rows."""
    usual = {"epochs": 1, "batch_size": 60, "optimizer": Sgd(lr=60)} | settings
    start = network.initial(KEY)
    private = private or DpSgd(noise=1e-3)
    return train_privately(network, start, rows, key=KEY, settings=LocalTraining(**usual), private=private, pull=pull)[0]


def apart(one: Arrays, other: Arrays) -> float:
    return math.sqrt(sum(float(((one[name].astype(np.float64) - other[name]) ** 2).sum()) for name in one))


@pytest.mark.parametrize("spec", [Mlp(hidden=(8,)), Cnn(channels=(2,)), Spiking(hidden=(8,), steps=3)], ids=lambda spec: spec.tag)
def test_the_sum_is_of_the_rows_own_gradients_each_shortened(spec: Any) -> None:
    network = Network(spec, DATA.shape, DATA.classes)
    module, rows = network.build(KEY).eval(), DATA.rows(np.arange(5))
    x, y = network.inputs(rows.x), network.targets(rows.y)
    wanted = [torch.zeros_like(one) for one in module.parameters()]
    for row in range(len(rows)):
        own = torch.autograd.grad(torch.nn.functional.cross_entropy(module(x[row : row + 1]), y[row : row + 1]), list(module.parameters()))
        norm = math.sqrt(sum(float((one**2).sum()) for one in own))
        wanted = [total + one * min(1.0, 0.5 / norm) for total, one in zip(wanted, own, strict=True)]
    for found, one in zip(clipped(module, x, y, 0.5), wanted, strict=True):
        torch.testing.assert_close(found, one)
    assert all(not one.any() for one in clipped(module, x[:0], y[:0], 0.5)), "nobody was drawn"


@pytest.mark.parametrize(("clip", "bounded"), [(0.1, True), (1e9, False)])
def test_a_row_moves_one_step_by_the_clipping_norm_at_most(clip: float, bounded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalTraining, "rate", lambda self, rows: 60 / rows)  # the rate and the divisor of both are those of 60 rows
    private = DpSgd.model_construct(noise=1e-3 / clip, clip=clip)
    away = apart(trained(ROWS, private=private), trained(ROWS.without(ROWS.ids[:1]), private=private))
    assert away > 0
    assert (away <= 0.1 * (1 + 1e-4)) is bounded, "noise and the draws of the other rows are the same"


def test_a_step_draws_each_row_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[list[float]] = []

    def seen(module: Any, x: torch.Tensor, y: Any, clip: float) -> list[torch.Tensor]:
        drawn.append(x.flatten(1).sum(1).tolist())
        return clipped(module, x, y, clip)

    monkeypatch.setattr(descent, "clipped", seen)
    sums = NETWORK.inputs(ROWS.x).flatten(1).sum(1).tolist()
    trained(ROWS, epochs=3, batch_size=20)
    whole, drawn[:] = list(drawn), []
    trained(ROWS.without(ROWS.ids[:1]), epochs=3, batch_size=20)
    assert len(whole) == len(drawn) == 9
    assert len({len(one) for one in whole}) > 1, "the number of rows is drawn, too"
    assert 9 * 20 * 0.7 < sum(map(len, whole)) < 9 * 20 * 1.3
    assert all({one for one in before if one != sums[0]} <= set(after) for before, after in zip(whole, drawn, strict=True))


def test_noise_has_its_scale_and_is_drawn_for_every_parameter_and_step() -> None:
    module = NETWORK.build(KEY).eval()
    nothing = [torch.zeros_like(one) for one in module.parameters()]
    first, again, next_one = (noised(module, nothing, 3.0, (*KEY, step)) for step in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True)), "draws are keyed"
    assert float(first[0].std()) == pytest.approx(3.0, rel=0.1)
    pairs = (float(torch.corrcoef(torch.stack([a.flatten()[:8], b.flatten()[:8]]))[0, 1]) for a, b in zip(first, next_one, strict=True))
    assert all(abs(one) < 0.999 for one in pairs)
    assert not torch.equal(first[1][:8], first[0].flatten()[:8])


def test_the_global_generator_is_neither_asked_nor_moved() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    one = trained(ROWS, epochs=2, batch_size=20, optimizer=Adam())
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(2)
    assert apart(one, trained(ROWS, epochs=2, batch_size=20, optimizer=Adam())) == 0


def test_noise_hides_what_was_learned_and_a_pull_holds_back() -> None:
    settings = {"epochs": 15, "batch_size": 20, "optimizer": Sgd(lr=0.5)}
    quiet, loud = (trained(ROWS, private=DpSgd(noise=noise, clip=5), **settings) for noise in (1e-3, 50.0))
    right = [float((NETWORK.probabilities(one, ROWS.x).argmax(axis=1) == ROWS.y).mean()) for one in (quiet, loud)]
    assert right[0] > 2 * right[1]
    start = NETWORK.initial(KEY)
    assert apart(trained(ROWS, pull=1.0, private=DpSgd(noise=1e-3, clip=5), **settings), start) < apart(quiet, start) / 2
