"""DP-SGD: no row moves a step farther than the clipping norm, and each row's draws are its own."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch

from clients.data.bundled import Digits
from clients.data.rows import Rows
from clients.models.mlp import Mlp
from clients.models.network import Network
from clients.training import Arrays
from experiments.benchmarks import private_training
from experiments.benchmarks.private_training import Private, clipped, trained

KEY = ("test",)


def learned(count: int = 60) -> tuple[Network, Rows]:
    data = Digits().load()
    return Network(Mlp(hidden=(8,)), data.shape, data.classes), data.rows(np.arange(count))


def apart(one: Arrays, other: Arrays) -> float:
    return math.sqrt(sum(float(((one[name].astype(np.float64) - other[name]) ** 2).sum()) for name in one))


def test_the_sum_is_of_the_rows_own_gradients_each_shortened() -> None:
    network, rows = learned(5)
    module = network.build(KEY).eval()
    x, y = network.inputs(rows.x), network.targets(rows.y)
    wanted = [torch.zeros_like(one) for one in module.parameters()]
    for row in range(len(rows)):
        own = torch.autograd.grad(torch.nn.functional.cross_entropy(module(x[row : row + 1]), y[row : row + 1]), list(module.parameters()))
        norm = math.sqrt(sum(float((one**2).sum()) for one in own))
        wanted = [total + one * min(1.0, 0.5 / norm) for total, one in zip(wanted, own, strict=True)]
    for found, one in zip(clipped(module, x, y, 0.5).values(), wanted, strict=True):
        torch.testing.assert_close(found, one)


@pytest.mark.parametrize(("clip", "bounded"), [(0.1, True), (1e9, False)])
def test_a_row_moves_one_step_by_the_clipping_norm_at_most(clip: float, bounded: bool) -> None:
    network, rows = learned()
    settings = Private(noise=1e-3 / clip, clip=clip, rate=1.0, steps=1, lr=private_training.LEARNED)
    away = apart(trained(network, rows, settings, KEY), trained(network, rows.without(rows.ids[:1]), settings, KEY))
    assert away > 0
    assert (away <= 0.1 * (1 + 1e-4)) is bounded, "noise and the draws of the other rows are the same"


def test_noise_is_drawn_for_each_step_and_hides_what_was_learned() -> None:
    network, rows = learned()
    ends = [trained(network, rows, Private(noise, steps=20, rate=0.5, lr=20), KEY) for noise in (0.0, 0.0, 50.0)]
    assert apart(ends[0], ends[1]) == 0, "draws are keyed"
    right = [float((network.probabilities(one, rows.x).argmax(axis=1) == rows.y).mean()) for one in ends]
    assert right[0] > 2 * right[2]


def test_without_the_accountant_no_epsilon_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "opacus", None)
    monkeypatch.setitem(sys.modules, "opacus.accountants", None)
    with pytest.raises(SystemExit) as left:
        private_training.main(["--quick"])
    assert left.value.code == 2
    assert "is not installed, which tells epsilon: pip install -c constraints.txt -e '.[private]'" in capsys.readouterr().err


def test_epsilon_falls_with_noise_and_grows_with_steps() -> None:
    pytest.importorskip("opacus")
    usual = Private(1.0).epsilon(1e-4)
    assert Private(2.0).epsilon(1e-4) < usual < Private(1.0, steps=600).epsilon(1e-4)
    assert Private(0.0).epsilon(1e-4) == math.inf
