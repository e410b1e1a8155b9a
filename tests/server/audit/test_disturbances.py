"""Rounding, refilling, noise, exposure and grand means, by hand and against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from server.audit.calibration import grand_mean
from server.audit.exposure import exposures
from server.audit.quantisation import quantised
from server.audit.revived import noisy, refilled

CHANCE = np.random.default_rng(3)
STACK = {"w": CHANCE.normal(size=(3, 4, 5)).astype(np.float32), "b": CHANCE.normal(size=(3, 4)).astype(np.float32)}


def test_rounding_by_hand_has_one_step_a_tensor_and_a_network() -> None:
    found = quantised({"w": np.array([[0.7, -0.04, 0.06], [7.0, 0.4, 0.6], [0.0, 0.0, 0.0]])}, 4)
    assert found["w"] == pytest.approx(np.array([[0.7, 0.0, 0.1], [7.0, 0.0, 1.0], [0.0, 0.0, 0.0]]))


def test_rounding_twice_changes_nothing_more_and_sixteen_bits_next_to_nothing() -> None:
    once = quantised(STACK, 4)
    for name, array in quantised(once, 4).items():
        assert array == pytest.approx(once[name], abs=1e-6)
        assert array.dtype == np.float32
    assert all(np.abs(array - STACK[name]).max() < 1e-3 for name, array in quantised(STACK, 16).items())
    assert any(np.abs(array - STACK[name]).max() > 0.05 for name, array in once.items()), "the control: four bits do"


def test_a_change_below_half_a_step_comes_back_whole() -> None:
    """What is hidden in less than half a step, the largest weight untouched, is what quantisation brings back."""
    original = quantised(STACK, 4)
    hidden = {}
    for name, array in original.items():
        flat = array.reshape(3, -1)
        largest = np.abs(flat).max(axis=1, keepdims=True)
        shift = np.where(np.abs(flat) == largest, 0, 0.45 * largest / 7 * CHANCE.choice([-1, 1], flat.shape))
        hidden[name] = (flat + shift).reshape(array.shape).astype(np.float32)
        assert np.abs(hidden[name] - array).max() > 0.05
    assert all(array == pytest.approx(original[name], abs=1e-5) for name, array in quantised(hidden, 4).items())


def test_only_zeros_are_refilled_as_wide_as_the_rest() -> None:
    array = CHANCE.normal(scale=2.0, size=(2, 500))
    cut = array.copy()
    cut[0, ::2] = 0
    found = refilled({"w": cut}, ("test",))["w"]
    assert (found[0, 1::2] == array[0, 1::2]).all()
    assert (found[1] == array[1]).all(), "a network without zeros stays as it is"
    assert found[0, ::2].std() == pytest.approx(2.0, rel=0.2)


def test_noise_is_a_share_of_each_tensor_and_follows_its_key() -> None:
    array = np.concatenate([CHANCE.normal(size=(1, 2000)), 10 * CHANCE.normal(size=(1, 2000))])
    found = noisy({"w": array}, 0.1, ("test",))["w"]
    assert (found - array).std(axis=1) == pytest.approx([0.1, 1.0], rel=0.1)
    assert (found == noisy({"w": array}, 0.1, ("test",))["w"]).all()
    assert (found != noisy({"w": array}, 0.1, ("other",))["w"]).all()


def test_exposure_by_hand_and_of_a_model_that_never_saw_the_secret() -> None:
    others = np.tile(np.arange(7.0), (1, 3, 1))
    assert exposures(np.array([[9.0, -1.0, 6.0]]), others) == pytest.approx(np.array([[3.0, 0.0, 3 - np.log2(1.5)]]))
    blind = CHANCE.normal(size=(40, 50, 128))
    assert exposures(blind[..., 0], blind[..., 1:]).mean() == pytest.approx(1.44, abs=0.08)


def test_the_interval_of_a_grand_mean_is_over_models_and_rows() -> None:
    """The spread of values that differ by model alone, or by row alone, is found; a mean over all as if independent would miss it."""
    wide = CHANCE.normal(size=(20, 1))
    for values in (np.tile(wide, (1, 30)), np.tile(wide.T, (30, 1))):
        found = grand_mean(values, ("test",))
        assert found.value == pytest.approx(values.mean())
        assert found.high - found.low == pytest.approx(2 * 1.96 * wide.std() / np.sqrt(20), rel=0.2)
