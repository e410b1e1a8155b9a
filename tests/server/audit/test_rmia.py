"""Relative membership scores against a loop, and what they can tell."""

from __future__ import annotations

import numpy as np
import pytest

from server.audit.ranking import Scored, area, area_interval
from server.audit.rmia import relative_scores


def shadows(shift: float, models: int = 12, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Return margins of rows in judged models, of the population, and both in references; rows that were inside are shifted."""
    rng = np.random.default_rng(seed)
    easy, population = rng.normal(1, 2, 80), rng.normal(1, 2, 150)
    inside = rng.random((models, 80)) < 0.5

    def seen(base: np.ndarray) -> np.ndarray:
        return base + 0.5 * rng.normal(size=(models, len(base)))

    return seen(easy) + shift * inside, seen(population), seen(easy), seen(population), inside


def split(scores: np.ndarray, inside: np.ndarray) -> Scored:
    return Scored(np.where(inside, scores, np.nan), np.where(inside, np.nan, scores))


def test_scores_equal_a_loop_without_the_judged_models_own_reference() -> None:
    rows, population, reference, of_population, _ = shadows(0.3)
    found = relative_scores(rows, population, reference, of_population, offline=0.4)

    def p(z: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-z))

    for k in (0, 5, 11):
        others = [j for j in range(12) if j != k]
        ratios = [
            p(one[k, z]) / (0.7 * np.mean([p(refs[j, z]) for j in others]) + 0.3)
            for one, refs in ((population, of_population),)
            for z in range(150)
        ]
        for x in (0, 17, 79):
            own = p(rows[k, x]) / (0.7 * np.mean([p(reference[j, x]) for j in others]) + 0.3)
            assert found[k, x] == pytest.approx(np.mean([own > ratio for ratio in ratios]))


def test_shifted_rows_are_told_from_others_and_equal_ones_are_not() -> None:
    areas = []
    for shift in (0.0, 0.5, 1.5):
        *given, inside = shadows(shift)
        areas.append(area_interval(split(relative_scores(*given), inside), ("test",)))
    assert areas[0].low <= 0.5 <= areas[0].high
    assert areas[0].high < areas[1].value < areas[2].value


def test_two_references_do_where_bare_confidence_does_not() -> None:
    *given, inside = shadows(1.0, seed=1)
    few = [given[0], given[1], given[2][-3:], given[3][-3:]]
    relative = area(*split(relative_scores(*few), inside).groups)
    assert relative > area(*split(given[0], inside).groups) + 0.1
