from __future__ import annotations

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord
from flwr.serverapp.strategy import FedAdam

from server.aggregation.optimizers import AdamOptimizer, Replace


@pytest.fixture
def models() -> list[dict[str, np.ndarray]]:
    chance = np.random.default_rng(0)
    return [{"a": chance.normal(size=(3, 4)), "b": chance.normal(size=5)} for _ in range(4)]


def flower(step: AdamOptimizer, start: dict[str, np.ndarray], means: list[dict[str, np.ndarray]], monkeypatch) -> dict[str, np.ndarray]:
    """Return what Flower's strategy makes of the same means."""
    strategy = FedAdam(eta=step.eta, beta_1=step.beta_1, beta_2=step.beta_2, tau=step.tau)
    now = start
    for number, mean in enumerate(means, start=1):
        record = ArrayRecord({name: Array(array) for name, array in mean.items()})
        monkeypatch.setattr("flwr.serverapp.strategy.fedavg.FedAvg.aggregate_train", lambda *_, record=record: (record, None))
        strategy.current_arrays = now
        arrays, _ = strategy.aggregate_train(number, [])
        now = {name: array.numpy() for name, array in arrays.items()}
    return now


def test_adam_steps_as_flower_does(models, monkeypatch):
    start, *means = models
    step = AdamOptimizer(eta=0.1, beta_1=0.9, beta_2=0.99, tau=1e-3)
    now, memory = dict(start), {}
    for number, mean in enumerate(means, start=1):
        now, memory = step.take(number, now, mean, memory)
    expected = flower(step, start, means, monkeypatch)
    for name, array in now.items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-12)
    again, _ = step.take(3, start, means[0], {})
    assert not np.allclose(again["a"], expected["a"]), "the control: memory and number matter"


def test_without_a_step_the_mean_is_the_next_model(models):
    after, memory = Replace().take(1, models[0], models[1], {})
    assert after.keys() == models[1].keys()
    assert all(np.array_equal(after[name], array) for name, array in models[1].items())
    assert memory == {}
