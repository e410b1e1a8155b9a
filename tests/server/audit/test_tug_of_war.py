"""ToW: 1 as retrained, symmetric, falling with each gap; and its form with an attack."""

from __future__ import annotations

import numpy as np
import pytest

from server.audit.tug_of_war import Accuracies, tug_of_war, tug_of_war_by_membership, unseen_share

A, B = Accuracies(0.9, 0.95, 0.85), Accuracies(0.6, 0.97, 0.8)


def test_it_is_one_for_equals_symmetric_and_falls_with_each_gap() -> None:
    assert tug_of_war(A, A) == 1
    assert tug_of_war(A, B) == tug_of_war(B, A) == pytest.approx(0.7 * 0.98 * 0.95)
    for name in Accuracies._fields:
        nearer, farther = (A._replace(**{name: getattr(A, name) - gap}) for gap in (0.1, 0.3))
        assert 1 > tug_of_war(nearer, A) > tug_of_war(farther, A)


def test_percentages_are_refused() -> None:
    with pytest.raises(ValueError, match="give fractions, not percentages"):
        tug_of_war(A._replace(test=85), A)
    with pytest.raises(ValueError, match="give fractions, not percentages"):
        tug_of_war_by_membership(A, B, (60, 0.5))


def test_with_an_attack_the_first_factor_is_its_share() -> None:
    assert tug_of_war_by_membership(A, B, (0.5, 0.9)) == pytest.approx(0.6 * 0.98 * 0.95)
    assert tug_of_war_by_membership(A, A, (0.3, 0.3)) == 1


def test_the_attack_calls_unseen_what_looks_like_test_rows() -> None:
    chance = np.random.default_rng(0)
    retain, test = 0.9 + 0.05 * chance.random(200), 0.4 + 0.3 * chance.random(80)
    assert unseen_share(0.9 + 0.05 * chance.random(30), retain, test) < 0.1
    assert unseen_share(0.4 + 0.3 * chance.random(30), retain, test) > 0.9
    with pytest.raises(ValueError, match="at least one of each"):
        unseen_share(retain[:0], retain, test)
