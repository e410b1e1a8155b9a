"""Frechet distance, precision and recall of sets of features."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from clients.diffusion.fidelity import NEIGHBOURS, Fidelity, fidelity, frechet_distance
from clients.streams import generator


def drawn(name: str, n: int = 300, width: int = 4) -> np.ndarray:
    return generator("fidelity", name).normal(size=(n, width))


def test_frechet_distance_is_zero_at_home_and_grows() -> None:
    a = drawn("a", 500)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, a + 1) == pytest.approx(4, rel=1e-9)
    assert frechet_distance(a, 3 * a) == pytest.approx(4 * np.trace(np.cov(a, rowvar=False)) + 4 * np.square(a.mean(0)).sum(), rel=1e-9)


def test_frechet_distance_is_the_textbook_formula() -> None:
    a, b = drawn("a"), drawn("b", 200) @ drawn("mix", 4) + 0.5
    covariances = [np.cov(one, rowvar=False) for one in (a, b)]
    root = np.real(sqrtm(covariances[0] @ covariances[1]))
    wanted = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(wanted, rel=1e-9)
    few = drawn("few", 6, 40)
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-9), "fewer images than features"


def test_precision_falls_with_samples_that_are_not_real_and_recall_with_what_is_never_drawn() -> None:
    real = np.concatenate([drawn("left"), drawn("right") + 50])
    both = fidelity(real, np.concatenate([drawn("third"), drawn("fourth") + 50]))
    half = fidelity(real, drawn("third"))
    far = fidelity(real, real + 1000)
    mixed = fidelity(real, np.concatenate([real[:300], real[300:] + 1000]))
    assert both is not None
    assert half is not None
    assert mixed is not None
    assert min(both.precision, both.recall) > 0.85
    assert half.precision > 0.85
    assert half.recall == pytest.approx(0.5, abs=0.07), "one of two modes is never drawn"
    assert mixed.precision == 0.5
    assert far is not None
    assert (far.precision, far.recall) == (0.0, 0.0)
    assert fidelity(real, real) == Fidelity(pytest.approx(0, abs=1e-6), 1.0, 1.0)


def test_balls_are_those_of_the_definition() -> None:
    real, samples = drawn("real", 20, 2), drawn("samples", 20, 2) * 2
    inside = 0
    for point in samples:
        for i, centre in enumerate(real):
            radius = sorted(np.linalg.norm(real[j] - centre) for j in range(20) if j != i)[NEIGHBOURS - 1]
            if np.linalg.norm(point - centre) <= radius:
                inside += 1
                break
    found = fidelity(real, samples)
    assert found is not None
    assert 0 < inside < 20
    assert found.precision == inside / 20


def test_too_few_images_or_broken_ones_have_no_figures() -> None:
    real = drawn("real", 20)
    assert fidelity(real, real[:NEIGHBOURS]) is None
    assert fidelity(real, np.where(real > 1, np.nan, real)) is None
    assert fidelity(real, real[: NEIGHBOURS + 1]) is not None
