"""What an outcome may say."""

from __future__ import annotations

import math

import pytest

from clients.unlearning.contract import Cost, Outcome, certified, family


@pytest.mark.parametrize(
    ("epsilon", "delta", "text"),
    [
        (1, 1e-4, "certified(1, 0.0001)"),
        (0.1, 0, "certified(0.1, 0)"),
        (2.5, 1e-10, "certified(2.5, 1e-10)"),
        (1 / 3, 0.5, "certified(0.3333333333333333, 0.5)"),
    ],
)
def test_bounds_are_told_to_the_last_digit(epsilon: float, delta: float, text: str) -> None:
    assert certified(epsilon, delta) == text
    assert family(text) == "certified"
    assert Outcome(Cost(), text).guarantee == text


@pytest.mark.parametrize(("epsilon", "delta"), [(-1, 0), (math.inf, 0), (math.nan, 0), (1, 1), (1, -0.1), (1, math.nan)])
def test_bounds_that_promise_nothing_are_refused(epsilon: float, delta: float) -> None:
    with pytest.raises(ValueError, match="promises nothing"):
        certified(epsilon, delta)


@pytest.mark.parametrize("text", ["", "certified", "certified(1)", "certified(-1, 0)", "certified(1, 1e-4)", "certified(a, b)", "proven"])
def test_other_texts_are_no_guarantee(text: str) -> None:
    with pytest.raises(ValueError, match="is unknown: take exact, approximate, behavioural, or what certified"):
        Outcome(Cost(), text)


@pytest.mark.parametrize("text", ["exact", "approximate", "behavioural"])
def test_plain_guarantees_are_their_own_family(text: str) -> None:
    assert family(text) == text
