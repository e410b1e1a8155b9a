"""Mechanisms give the noise that their conditions ask for, and no less."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import kstest

from clients.unlearning.mechanisms import analytic_gaussian, classical_gaussian, hidden
from clients.unlearning.noise import Noise


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 8.0])
@pytest.mark.parametrize("delta", [1e-10, 1e-4, 0.2])
def test_the_analytic_sigma_put_back_gives_delta(epsilon: float, delta: float) -> None:
    sigma = analytic_gaussian(3.0, epsilon, delta)
    assert hidden(epsilon, sigma / 3) == pytest.approx(delta, rel=1e-9)
    assert hidden(epsilon, 0.99 * sigma / 3) > delta > hidden(epsilon, 1.01 * sigma / 3)


def test_the_analytic_sigma_is_below_the_classical_one_and_monotone() -> None:
    for epsilon in (0.05, 0.5, 0.99):
        assert analytic_gaussian(1, epsilon, 1e-5) < classical_gaussian(1, epsilon, 1e-5)
    sigmas = [analytic_gaussian(1, epsilon, 1e-5) for epsilon in (0.1, 0.5, 2, 10)]
    assert all(more > less for more, less in pairwise(sigmas))
    assert analytic_gaussian(1, 1, 1e-6) > analytic_gaussian(1, 1, 1e-5)
    assert analytic_gaussian(2, 1, 1e-5) == 2 * analytic_gaussian(1, 1, 1e-5)


def test_noise_is_drawn_with_the_scale_of_its_mechanism() -> None:
    gauss = Noise(kind="gaussian", sensitivity=2, epsilon=0.5, delta=1e-5)
    assert gauss.scale == pytest.approx(2 * np.sqrt(2 * np.log(1.25e5)) / 0.5)
    laplace = Noise(kind="laplace", sensitivity=2, epsilon=0.5, delta=0)
    assert laplace.scale == 4
    assert Noise(sensitivity=2, epsilon=0.5).scale == analytic_gaussian(2, 0.5, 1e-5) < gauss.scale
    assert kstest(gauss.draw(5000, "drawn"), "norm", args=(0, gauss.scale)).pvalue > 0.01
    assert kstest(laplace.draw(5000, "drawn"), "laplace", args=(0, 4)).pvalue > 0.01
    assert not np.array_equal(laplace.draw(9, "drawn", 0), laplace.draw(9, "drawn", 1))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kind": "gaussian", "epsilon": 1.0}, "epsilon 1 is too large for the classical Gaussian mechanism"),
        ({"kind": "laplace"}, "delta of Laplace noise is 0"),
        ({"delta": 0.0}, "delta of analytic_gaussian is above 0"),
        ({"sensitivity": 0.0}, "greater than 0"),
    ],
)
def test_noise_that_hides_nothing_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Noise(**{"sensitivity": 1.0, **settings})
