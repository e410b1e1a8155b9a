from __future__ import annotations

import pytest

from server.averaging.cohort import Cohorts


def test_without_a_size_everybody_takes_part():
    assert Cohorts(1).draw(3, [4, 0, 2]) == (0, 2, 4)


@pytest.mark.parametrize(("size", "many"), [(5, 5), (0.5, 10), (0.55, 11), (0.01, 1), (1.0, 20), (40, 20)])
def test_a_size_is_a_number_or_a_share_rounded_up(size, many):
    assert len(Cohorts(1, size).draw(1, range(20))) == many


def test_who_is_absent_moves_nobody_else():
    cohorts = Cohorts(7, 5)
    touched = 0
    for number in range(200):
        with_it, without = set(cohorts.draw(number, range(20))), set(cohorts.draw(number, set(range(20)) - {3}))
        if 3 in with_it:
            touched += 1
            assert with_it - without == {3}
            assert len(without - with_it) == 1
        else:
            assert with_it == without
    assert 20 < touched < 80, "about a quarter of the rounds"


def test_a_running_generator_does_not_do(monkeypatch):
    """The control: cohorts of a generator that runs on are others as soon as one peer is absent."""
    import random

    def cohorts(present):
        chance = random.Random(7)
        return [set(chance.sample(sorted(present), 5)) for _ in range(200)]

    both = zip(cohorts(range(20)), cohorts(set(range(20)) - {3}), strict=True)
    assert sum(a == b for a, b in both) < 20
