"""An advisor of methods: it sees the two factors alone, follows them, and says what its advice was worth."""

from __future__ import annotations

import pytest

from clients.unlearning.refine.advisor import Advisor, Known, advise


def planted(right: float = 0.9) -> list[Known]:
    """Return sets on which one method is right where memorisation is high, and another elsewhere; a third is never far off."""
    found = []
    for number in range(12):
        memorised = number / 11
        high = memorised > 0.5
        tow = {"nothing": 0.3 if high else right, "scrub": right if high else 0.3, "finetune": 0.7}
        found.append(Known(0.1 * (number % 3), memorised, tow))
    return found


def test_it_names_what_was_best_nearby_and_says_what_that_was_worth() -> None:
    low, high = advise(planted(), 0.1, 0.05, nearest=3), advise(planted(), 0.1, 0.95, nearest=3)
    assert (low.method, high.method, low.single) == ("nothing", "scrub", "finetune")
    assert low.advised > low.always + 0.05
    assert str(high).startswith("take scrub; on known sets held out in turn, advice came to ")
    assert f"{high.advised - high.always:.3f} more than always the best single method" in str(high)


def test_where_one_method_is_best_everywhere_advice_gains_nothing_and_says_so() -> None:
    told = advise(planted(right=0.6), 0.1, 0.5)
    assert told.method == told.single == "finetune"
    assert "no more than always the best single method" in str(told)


def test_a_set_is_never_among_those_it_is_advised_by() -> None:
    odd = [Known(0.0, 0.0, {"a": 1.0, "b": 0.0}), Known(5.0, 1.0, {"a": 0.0, "b": 1.0})]
    assert advise(odd, 0.0, 0.0, nearest=1).advised == 0.0


@pytest.mark.parametrize(
    ("known", "factors", "told"),
    [
        (planted()[:1], (0.0, 0.0), "1 forget sets are known"),
        ([], (0.0, 0.0), "0 forget sets are known"),
        ([*planted(), Known(0.0, 0.0, {"scrub": 1.0})], (0.0, 0.0), "forget set 12 was measured with scrub, the first with finetune"),
        ([Known(0.0, 0.0, {})] * 2, (0.0, 0.0), "at least one"),
        (planted(), (float("nan"), 0.0), "give finite numbers"),
    ],
)
def test_what_cannot_be_advised_is_refused(known: list[Known], factors: tuple[float, float], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        advise(known, *factors)


def test_nearest_must_name_a_set() -> None:
    with pytest.raises(ValueError, match="take at least 1"):
        Advisor(planted(), nearest=0)
