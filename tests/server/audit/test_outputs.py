"""Divergences are symmetric, 0 for equal and 1 for disjoint answers; modified entropy equals a loop and is finite."""

from __future__ import annotations

import math

import numpy as np
import pytest

from server.audit.outputs import divergence, modified_entropy

CHANCE = np.random.default_rng(0)
P, Q = CHANCE.dirichlet(np.ones(4), 30), CHANCE.dirichlet(np.ones(4), 30)
Y = CHANCE.integers(0, 4, 30)


def test_divergence_is_symmetric_zero_for_equal_and_one_for_disjoint() -> None:
    assert divergence(P, Q) == pytest.approx(divergence(Q, P))
    assert divergence(P, P) == pytest.approx(0, abs=1e-12), "the ZRF of the untrained network itself is 1"
    assert divergence(np.eye(4)[[0]], np.eye(4)[[1]]).tolist() == [1]


def test_divergence_equals_a_loop_and_is_no_mean_over_classes() -> None:
    def plainly(p: np.ndarray, q: np.ndarray) -> float:
        m = (p + q) / 2
        return sum(a * math.log2(a / c) + b * math.log2(b / c) for a, b, c in zip(p, q, m, strict=True)) / 2

    wanted = [plainly(p, q) for p, q in zip(P, Q, strict=True)]
    assert divergence(P, Q) == pytest.approx(wanted)
    assert divergence(P, Q) != pytest.approx([one / 4 for one in wanted]), "the fault: the mean over elements"
    assert divergence(P, Q) != pytest.approx([one * math.log(2) for one in wanted]), "the fault: natural logarithms"
    alike = (P * Q).sum(axis=1) / np.linalg.norm(P, axis=1) / np.linalg.norm(Q, axis=1)
    assert 1 - divergence(P, Q) != pytest.approx(alike), "the fault: a cosine in the place of ZRF"


def test_modified_entropy_equals_a_loop_and_is_finite_at_the_ends() -> None:
    def plainly(p: np.ndarray, y: int) -> float:
        return -(1 - p[y]) * math.log(p[y]) - sum(q * math.log(1 - q) for c, q in enumerate(p) if c != y)

    wanted = [plainly(p, y) for p, y in zip(P, Y, strict=True)]
    assert modified_entropy(P, Y) == pytest.approx(wanted)
    own = np.eye(4, dtype=bool)[Y]
    other = [-(1 - p[mine]) @ np.log(p[mine]) - p[~mine] @ np.log(p[~mine]) for p, mine in zip(P, own, strict=True)]
    assert modified_entropy(P, Y) != pytest.approx(other), "the fault: log p of the other classes in the place of log(1 - p)"
    faulty = -(1 - P[:, Y]) * np.log(P[:, Y])
    assert faulty.shape == (30, 30), "the fault: labels index columns, of all rows at once"
    sure = modified_entropy(np.eye(4)[[0, 1]], np.array([0, 0]))
    assert np.isfinite(sure).all()
    assert sure[0] == 0 < 50 < sure[1]
