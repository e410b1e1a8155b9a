from __future__ import annotations

import pytest
from scipy.stats import binomtest

from server.audit.intervals import wilson


@pytest.mark.parametrize(("k", "n"), [(0, 12), (3, 12), (12, 12), (500, 901)])
def test_it_is_the_interval_of_the_library(k: int, n: int) -> None:
    expected = binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k / n, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_without_rows_nothing_is_known() -> None:
    assert wilson(0.0, 0) == (0.0, 1.0)
