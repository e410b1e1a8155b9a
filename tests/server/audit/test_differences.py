from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.audit.differences import max_abs_difference, relative_distance, total_variation


def test_equal_arrays_are_zero_apart() -> None:
    arrays = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.array([1, 2]), "b": np.array([True])}
    assert max_abs_difference(arrays, {name: value.copy() for name, value in arrays.items()}) == 0.0
    assert max_abs_difference({}, {}) == 0.0
    assert max_abs_difference({"w": np.zeros(0)}, {"w": np.zeros(0)}) == 0.0


@given(st.integers(0, 23), st.sampled_from([1e-7, 0.5, -3.0]))
def test_one_changed_value_is_found_wherever_it_is(place: int, change: float) -> None:
    a = {"v": np.zeros(4), "w": np.zeros((4, 5))}
    b = {name: value.copy() for name, value in a.items()}
    (b["v"] if place < 4 else b["w"].ravel())[place - 4 * (place >= 4)] = change
    assert max_abs_difference(a, b) == abs(change) == max_abs_difference(b, a)


def test_the_smallest_difference_is_not_rounded_to_zero() -> None:
    a = np.array([1.0], dtype=np.float32)
    assert max_abs_difference({"w": a}, {"w": np.nextafter(a, np.float32(2))}) > 0
    assert max_abs_difference({"w": np.array([2**60])}, {"w": np.array([2**60 + 1])}) == 1.0
    assert max_abs_difference({"w": np.array([0], np.uint8)}, {"w": np.array([255], np.uint8)}) == 255.0
    assert max_abs_difference({"w": np.array([True])}, {"w": np.array([False])}) == 1.0


@pytest.mark.parametrize(
    "other",
    [{}, {"v": np.zeros(2)}, {"w": np.zeros(3)}, {"w": np.zeros((2, 1))}, {"w": np.zeros(2, np.float32)}, {"w": np.array([0, np.nan])}],
)
def test_what_cannot_be_compared_is_infinitely_far_apart(other: dict[str, np.ndarray]) -> None:
    assert max_abs_difference({"w": np.zeros(2)}, other) == float("inf")


def test_values_that_are_not_numbers_are_equal_to_themselves() -> None:
    a = {"w": np.array([np.nan, np.inf, 1.0])}
    assert max_abs_difference(a, {"w": np.array([np.nan, np.inf, 1.0])}) == 0.0
    assert max_abs_difference(a, {"w": np.array([np.nan, -np.inf, 1.0])}) == float("inf")


def test_relative_distances_are_over_all_arrays_together_and_not_symmetric() -> None:
    a = {"v": np.array([3.0, 0.0]), "w": np.array([[0.0, 4.0]])}
    b = {"v": np.zeros(2), "w": np.array([[0.0, 2.0]])}
    assert relative_distance(a, b) == pytest.approx(np.sqrt(9 + 4) / 2)
    assert relative_distance(b, a) == pytest.approx(np.sqrt(9 + 4) / 5)
    assert relative_distance(a, a) == relative_distance({}, {}) == 0.0
    assert relative_distance({"w": np.zeros(2)}, {"w": np.zeros(2)}) == 0.0


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ({"w": np.ones(2)}, {}),
        ({"w": np.ones(2)}, {"v": np.ones(2)}),
        ({"w": np.ones(2)}, {"w": np.ones((2, 1))}),
        ({"w": np.ones(2)}, {"w": np.zeros(2)}),
        ({"w": np.array([1, np.nan])}, {"w": np.ones(2)}),
        ({"w": np.array([1, np.inf])}, {"w": np.ones(2)}),
    ],
)
def test_relative_distances_are_infinite_where_nothing_can_be_compared(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert relative_distance(a, b) == float("inf")


def test_total_variation_is_half_of_what_is_moved() -> None:
    one, other = np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([[0.0, 1.0], [0.5, 0.5]])
    assert total_variation(one, one) == 0
    assert total_variation(one, other) == 0.5
