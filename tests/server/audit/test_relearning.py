from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from clients.classification.hdus.config import HdusConfig
from clients.classification.hdus.peer import Peer
from clients.data.rows import Rows
from clients.models.mlp import Mlp
from clients.models.network import Network
from clients.progress import listening
from clients.training import Training
from server.audit.relearning import CAP, best_loss, lowest_loss, relearning_steps, steps_to_loss

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
    assert steps_to_loss(SEED, [clean, leaked], noisy, target, (1,), SETTINGS) == 0
    assert steps_to_loss(SEED, [clean], noisy, target, (1,), SETTINGS) > 50


def test_is_repeatable_and_ends_at_the_cap(digits: Rows) -> None:
    erased = digits.only(range(40))
    start = [SEED.initial(("new",))]
    first = steps_to_loss(SEED, start, erased, 1.0, (1,), SETTINGS)
    assert first == steps_to_loss(SEED, start, erased, 1.0, (1,), SETTINGS)
    assert 0 < first < 300
    done = list[int]()
    with listening(lambda what, total: done.append(total) or done.append):
        steps_to_loss(SEED, start, erased, 1.0, (1,), SETTINGS)
    assert done == [CAP, *range(first), CAP], "who listens is told the most steps, each step, and the end"
    assert steps_to_loss(SEED, start, erased, 0.0, (1,), SETTINGS, cap=first - 1) == first - 1
    assert steps_to_loss(SEED, start, erased, 1.0, (1,), SETTINGS, cap=first - 1) == first - 1


def test_begins_with_the_best_seed_and_leaves_it_alone(digits: Rows) -> None:
    erased = digits.only(range(40))
    poor, good = SEED.initial(("new",)), trained(erased, "good")
    kept = {name: array.copy() for name, array in good.items()}
    assert lowest_loss(SEED, [poor, good], erased) == lowest_loss(SEED, [good], erased) < lowest_loss(SEED, [poor], erased)
    target = lowest_loss(SEED, [good], erased) / 2
    assert steps_to_loss(SEED, [poor, good], erased, target, (1,), SETTINGS) < steps_to_loss(SEED, [poor], erased, target, (1,), SETTINGS)
    assert all(np.array_equal(good[name], kept[name]) for name in kept)


def test_a_peer_that_kept_a_leavers_seed_relearns_in_no_step(digits: Rows) -> None:
    def config(number: int, rows: np.ndarray) -> HdusConfig:
        return HdusConfig.model_validate(
            {
                "run_seed": 1,
                "peer": number,
                "rounds": 1,
                "data": {"dataset": "digits"},
                "rows": tuple(rows.tolist()),
                "reference": tuple(range(1500, 1700)),
                "test": (),
                "main": {"kind": "mlp", "hidden": [16]},
                "seed": {"kind": "mlp", "hidden": [16]},
                "training": {"epochs": 30},
                "distillation": {},
                "ensemble": {},
            }
        )

    erased, others = np.flatnonzero(digits.y >= 7)[:60], np.flatnonzero(digits.y < 7)[:200]
    keeper, leaver = Peer.new(config(0, others)), Peer.new(config(1, erased))
    for peer in (keeper, leaver):
        peer.train()
        peer.distil()
    assert leaver.update is not None
    forgotten = digits.only(erased)
    without = best_loss(keeper, forgotten)
    keeper.held[1] = leaver.update
    target = best_loss(keeper, forgotten)
    assert target < without
    assert relearning_steps(keeper, forgotten, target) == 0
    del keeper.held[1]
    assert relearning_steps(keeper, forgotten, target) > 0
