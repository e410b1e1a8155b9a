"""Accuracy, F1 and the area under the curve by hand."""

from __future__ import annotations

import numpy as np
import pytest

from server.audit.validation import validate

PERFECT = np.eye(3)[[0, 1, 2, 2]]


def test_right_answers_are_perfect_and_their_opposite_is_not() -> None:
    y = np.array([0, 1, 2, 2])
    assert validate(y, PERFECT) == (1.0, 1.0, 1.0)
    turned = validate(y, 1 - PERFECT)
    assert (turned.accuracy, turned.auc) == (0.0, 0.0)


def test_the_measures_of_unequal_classes_differ() -> None:
    """Nine rows of one class and one of another, all answered as the first: F1 is (18/19 + 0) / 2, ties make an area of a half."""
    found = validate(np.array([0] * 9 + [1]), np.tile([0.8, 0.2], (10, 1)))
    assert found.accuracy == pytest.approx(0.9)
    assert found.f1 == pytest.approx(9 / 19)
    assert found.auc == pytest.approx(0.5)


def test_one_class_has_no_area_and_no_row_is_refused() -> None:
    assert validate(np.array([1, 1]), PERFECT[:2]).auc is None
    with pytest.raises(ValueError, match="there are no rows to validate on: give at least one"):
        validate(np.array([], np.int64), np.empty((0, 3)))
