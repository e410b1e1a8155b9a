"""Noise that hides a difference between two results: how much of it (epsilon, delta) asks for."""

from __future__ import annotations

import math


def hidden(epsilon: float, spread: float) -> float:
    """Return the smallest delta for which a Gaussian whose standard deviation is ``spread`` shifts hides one shift within epsilon.

    ``Phi(1 / (2 s) - eps s) - e^eps Phi(- 1 / (2 s) - eps s)``, theorem 8 of Balle and Wang 2018, its second term by logarithms.
    """
    from scipy.special import log_ndtr, ndtr

    half, far = 1 / (2 * spread), epsilon * spread
    return float(ndtr(half - far) - math.exp(epsilon + log_ndtr(-half - far)))


def analytic_gaussian(sensitivity: float, epsilon: float, delta: float) -> float:
    """Return the smallest standard deviation with which Gaussian noise hides a shift in any direction, for every epsilon.

    The analytic Gaussian mechanism (Balle and Wang, ICML 2018), by bisection of the logarithm; never below the root.

    Parameters
    ----------
    sensitivity : float
        Largest Euclidean norm of the shift, above 0.
    epsilon, delta : float
        Epsilon above 0, delta in (0, 1).
    """
    low, high = -1.0, 1.0
    while hidden(epsilon, math.exp(low)) <= delta:
        low *= 2
    while hidden(epsilon, math.exp(high)) > delta:
        high *= 2
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (low, middle) if hidden(epsilon, math.exp(middle)) <= delta else (middle, high)
    return sensitivity * math.exp(high)


def classical_gaussian(sensitivity: float, epsilon: float, delta: float) -> float:
    """Return a standard deviation with which Gaussian noise hides a shift (Dwork and Roth 2014, theorem A.1).

    ``ValueError`` for epsilon of 1 or more, where its proof ends. Parameters are those of `analytic_gaussian`.
    """
    if epsilon >= 1:
        raise ValueError(f"epsilon {epsilon:g} is too large for the classical Gaussian mechanism, proven below 1: take analytic_gaussian")
    return sensitivity * math.sqrt(2 * math.log(1.25 / delta)) / epsilon


def laplace(sensitivity: float, epsilon: float) -> float:
    """Return the scale of Laplace noise in each coordinate that hides a shift whose absolute coordinates sum to at most ``sensitivity``."""
    return sensitivity / epsilon
