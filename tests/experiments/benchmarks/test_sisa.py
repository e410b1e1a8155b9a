"""The SISA benchmark: its formulas against brute force, and its measurement against its formulas."""

from __future__ import annotations

import numpy as np
import pytest

from clients.training import Training
from clients.unlearning.contract import Problem
from experiments.benchmarks import sisa


@pytest.mark.parametrize(("slices", "requests"), [(1, 1), (3, 1), (4, 2), (5, 7)])
def test_slice_share_is_the_mean_over_drawn_requests(slices: int, requests: int) -> None:
    earliest = np.random.default_rng(0).integers(0, slices, (40_000, requests)).min(axis=1)  # counted from 0
    work = np.arange(1, slices + 1)
    shares = np.array([work[first:].sum() for first in range(slices)])[earliest] / work.sum()
    assert sisa.slice_share(slices, requests) == pytest.approx(shares.mean(), rel=0.01)


def test_published_special_cases() -> None:
    assert sisa.slice_share(5, 1) == pytest.approx(2 / 3 + 1 / 15)
    assert sisa.slice_share(2000, 3) == pytest.approx(1 - 2 / (4 * 5), rel=1e-2)
    assert sisa.batch_cost(1000, 5, 1, 8) == pytest.approx(1000 * (1 - 0.8**8) - 8)
    assert sisa.serial_cost(1000, 5, 1, 1) == pytest.approx(1000 / 5 - 1)


@pytest.mark.slow
def test_measured_speed_ups_are_those_of_the_formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    training = Training(epochs=2, batch_size=32)
    monkeypatch.setattr(sisa, "ROWS", 300)
    monkeypatch.setattr(sisa, "TRAINING", training)
    monkeypatch.setattr(sisa, "PROBLEM", Problem((1, 8, 8), 10, rounds=1, training=training))
    monkeypatch.setattr(sisa, "SHAPES", ((4, 1), (4, 3)))
    for line in sisa.benchmark(6):
        means = sum(again.visits for again, _ in line.measured) / sum(spent.visits for _, spent in line.measured)
        assert means == pytest.approx(line.formula, rel=0.35), line
        assert str(line.requests) in line.show()
    by_shape = {(line.slices, line.requests, line.mode): line.formula for line in sisa.benchmark(1)}
    assert by_shape[1, 1, "batch"] > 2 * by_shape[1, 18, "batch"], "a batch of many requests touches every shard"


def test_predictions_are_timed_for_each_number_of_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sisa, "SHARDS", (1, 3))
    monkeypatch.setattr(sisa, "PROBLEM", Problem((1, 8, 8), 10, rounds=1, training=Training(epochs=1, batch_size=256)))
    taken = sisa.predictions(2)
    assert {shards: len(seconds) for shards, seconds in taken.items()} == {1: 2, 3: 2}
    assert all(second > 0 for seconds in taken.values() for second in seconds)
