"""The benchmark of private training: rates and lengths of steps that depend on no row, and no epsilon without its accountant."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from clients.data.bundled import Digits
from clients.data.rows import Rows
from clients.models.mlp import Mlp
from clients.models.network import Network
from clients.training import Arrays
from experiments.benchmarks import private_training
from experiments.benchmarks.private_training import Private, trained

KEY = ("test",)


def learned(count: int = 60) -> tuple[Network, Rows]:
    data = Digits().load()
    return Network(Mlp(hidden=(8,)), data.shape, data.classes), data.rows(np.arange(count))


def apart(one: Arrays, other: Arrays) -> float:
    return math.sqrt(sum(float(((one[name].astype(np.float64) - other[name]) ** 2).sum()) for name in one))


@pytest.mark.parametrize(("clip", "bounded"), [(0.1, True), (1e9, False)])
def test_a_row_moves_one_step_by_the_clipping_norm_at_most(clip: float, bounded: bool) -> None:
    network, rows = learned()
    settings = Private(noise=1e-3 / clip, clip=clip, rate=1.0, steps=1, lr=private_training.LEARNED)
    away = apart(trained(network, rows, settings, KEY), trained(network, rows.without(rows.ids[:1]), settings, KEY))
    assert away > 0
    assert (away <= 0.1 * (1 + 1e-4)) is bounded, "noise and the draws of the other rows are the same"


def test_without_the_accountant_no_epsilon_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "opacus", None)
    with pytest.raises(SystemExit) as left:
        private_training.main(["--quick"])
    assert left.value.code == 2
    assert "needs the package opacus, which tells epsilon: pip install 'lethe-federated[private]'" in capsys.readouterr().err


def test_epsilon_falls_with_noise_and_grows_with_steps() -> None:
    pytest.importorskip("opacus")
    usual = Private(1.0).epsilon(1e-4)
    assert Private(2.0).epsilon(1e-4) < usual < Private(1.0, steps=600).epsilon(1e-4)
    assert Private(0.0).epsilon(1e-4) == math.inf
