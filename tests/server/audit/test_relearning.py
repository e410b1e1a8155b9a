from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from clients.models.mlp import Mlp
from clients.models.network import Network
from clients.training import Training
from clients.unlearning.contract import Rows
from server.audit.relearning import lowest_loss, relearn_steps

SEED = Network(Mlp(hidden=(16,)), (64,), 10)
SETTINGS = Training(batch_size=16)


@pytest.fixture(scope="module")
def digits() -> Rows:
    x, y = load_digits(return_X_y=True)
    return Rows(np.arange(len(x)), (x / 16).astype(np.float32), y.astype(np.int64))


def trained(rows: Rows, key: str) -> dict[str, np.ndarray]:
    start = SEED.initial((key,))
    return SEED.train(start, rows.x, rows.y, epochs=range(40), ids=rows.ids, key=(key,), settings=SETTINGS)[0]


def test_a_seed_left_behind_needs_no_step_and_a_clean_one_many(digits: Rows) -> None:
    erased, others = digits.only(range(80)), digits.only(range(400, 700))
    noisy = replace(erased, y=(erased.y + 3) % 10)  # cannot be known from other rows
    leaked, clean = trained(noisy, "leaver"), trained(others, "neighbour")
    target = lowest_loss(SEED, [clean, leaked], noisy)
    assert relearn_steps(SEED, [clean, leaked], noisy, target, (1,), SETTINGS) == 0
    assert relearn_steps(SEED, [clean], noisy, target, (1,), SETTINGS) > 50


def test_is_repeatable_and_ends_at_the_cap(digits: Rows) -> None:
    erased = digits.only(range(40))
    start = [SEED.initial(("new",))]
    first = relearn_steps(SEED, start, erased, 1.0, (1,), SETTINGS)
    assert first == relearn_steps(SEED, start, erased, 1.0, (1,), SETTINGS)
    assert 0 < first < 300
    assert relearn_steps(SEED, start, erased, 0.0, (1,), SETTINGS, cap=first - 1) == first - 1
    assert relearn_steps(SEED, start, erased, 1.0, (1,), SETTINGS, cap=first - 1) == first - 1


def test_begins_with_the_best_seed_and_leaves_it_alone(digits: Rows) -> None:
    erased = digits.only(range(40))
    poor, good = SEED.initial(("new",)), trained(erased, "good")
    kept = {name: array.copy() for name, array in good.items()}
    assert lowest_loss(SEED, [poor, good], erased) == lowest_loss(SEED, [good], erased) < lowest_loss(SEED, [poor], erased)
    target = lowest_loss(SEED, [good], erased) / 2
    assert relearn_steps(SEED, [poor, good], erased, target, (1,), SETTINGS) < relearn_steps(SEED, [poor], erased, target, (1,), SETTINGS)
    assert all(np.array_equal(good[name], kept[name]) for name in kept)
