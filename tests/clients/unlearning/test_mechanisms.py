"""Mechanisms give the noise that their conditions ask for, and no less."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from clients.unlearning.mechanisms import analytic_gaussian, hidden


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 8.0])
@pytest.mark.parametrize("delta", [1e-10, 1e-4, 0.2])
def test_the_analytic_sigma_put_back_gives_delta(epsilon: float, delta: float) -> None:
    sigma = analytic_gaussian(3.0, epsilon, delta)
    assert hidden(epsilon, sigma / 3) == pytest.approx(delta, rel=1e-9)
    assert hidden(epsilon, 0.99 * sigma / 3) > delta > hidden(epsilon, 1.01 * sigma / 3)


def test_the_analytic_sigma_is_below_the_classical_one_and_monotone() -> None:
    for epsilon in (0.05, 0.5, 0.99):
        assert analytic_gaussian(1, epsilon, 1e-5) < math.sqrt(2 * math.log(1.25 / 1e-5)) / epsilon
    sigmas = [analytic_gaussian(1, epsilon, 1e-5) for epsilon in (0.1, 0.5, 2, 10)]
    assert all(more > less for more, less in pairwise(sigmas))
    assert analytic_gaussian(1, 1, 1e-6) > analytic_gaussian(1, 1, 1e-5)
    assert analytic_gaussian(2, 1, 1e-5) == 2 * analytic_gaussian(1, 1, 1e-5)
