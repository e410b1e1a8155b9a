"""Folding: right, in order, and refused where it makes no sense."""

from __future__ import annotations

import numpy as np
import pytest

from server.aggregation.mean import weighted_mean


def models(count: int = 5) -> list[dict[str, np.ndarray]]:
    draw = np.random.default_rng(0)
    return [{"w": draw.normal(size=(3, 4)).astype(np.float32), "b": draw.normal(size=3).astype(np.float32)} for _ in range(count)]


def test_mean_is_the_weighted_mean() -> None:
    parts, weights = models(), [3, 0, 1, 5, 2]
    mean = weighted_mean(parts, weights)
    for name in ("w", "b"):
        np.testing.assert_allclose(mean[name], np.average([part[name] for part in parts], axis=0, weights=weights), rtol=1e-6)
        assert mean[name].dtype == np.float32


def test_one_model_is_its_own_mean_to_the_byte() -> None:
    part = models(1)[0]
    assert weighted_mean([part], [7])["w"].tobytes() == part["w"].tobytes()


def test_a_weight_of_zero_is_absence() -> None:
    parts = models(3)
    assert weighted_mean(parts, [2, 0, 1])["w"].tobytes() == weighted_mean([parts[0], parts[2]], [2, 1])["w"].tobytes()


def test_sums_do_not_lose_small_models_beside_large_ones() -> None:
    large = {"w": np.array([2**24], np.float32)}
    small = [{"w": np.array([1], np.float32)}] * 15
    assert weighted_mean([large, *small], [1] * 16)["w"][0] == np.float32((2**24 + 15) / 16)


@pytest.mark.parametrize("weights", [[], [1, 1], [1, -1, 1], [0, 0, 0]])
def test_weights_that_do_not_fit_are_refused(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="one weight"):
        weighted_mean(models(3), weights)


def test_other_architectures_are_refused() -> None:
    with pytest.raises(ValueError, match="one architecture"):
        weighted_mean([{"w": np.zeros(3)}, {"w": np.zeros(4)}], [1, 1])
    with pytest.raises(ValueError, match="one architecture"):
        weighted_mean([{"w": np.zeros(3)}, {"v": np.zeros(3)}], [1, 1])
