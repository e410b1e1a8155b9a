"""The exact test of pairs: the sign test on those that changed."""

from __future__ import annotations

import pytest

from server.audit.paired import Paired, mcnemar


def test_only_changed_samples_count() -> None:
    first, second = [True] * 10 + [False] * 5, [True] * 4 + [False] * 11
    assert mcnemar(first, second) == Paired(gained=0, lost=6, p=pytest.approx(2 * 0.5**6))
    assert mcnemar(second, first) == Paired(gained=6, lost=0, p=pytest.approx(2 * 0.5**6))
    assert mcnemar([*first, *[True] * 90], [*second, *[True] * 90]).p == pytest.approx(2 * 0.5**6), "those that stay tell nothing"


def test_as_many_gained_as_lost_is_no_evidence() -> None:
    assert mcnemar([True, True, False, False], [False, False, True, True]) == Paired(2, 2, 1.0)
    assert mcnemar([True, False], [True, False]) == Paired(0, 0, 1.0)


def test_other_lengths_are_no_pairs() -> None:
    with pytest.raises(ValueError, match="2 and 1 samples are no pairs"):
        mcnemar([True, False], [True])
