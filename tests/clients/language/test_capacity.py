"""The capacity curve: more guards hide more and refuse more without need; their order does not matter, and a weak matcher is noticed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from clients.data import load
from clients.data.rows import Rows
from clients.data.worlds import Authors
from clients.language.capacity import Point, curve, doubling
from clients.unlearning.prompts.matchers.contract import Matcher
from clients.unlearning.prompts.matchers.exact import Exact
from clients.unlearning.prompts.matchers.ngram import NGram
from clients.unlearning.prompts.matchers.subject import Subject
from clients.unlearning.prompts.rules import Guard, Guarded, Rule
from tests.clients.unlearning.prompts.knowing import Knowing

WORLD = Authors(authors=6)
DATA = load(WORLD)
ROWS = DATA.rows(np.arange(len(DATA)))
PUBLIC = WORLD.public(20, "k")[0]


def guards(match: Matcher, stage: str = "input") -> tuple[Guard, ...]:
    """Return a guard of each of the first four authors, of half of the facts about each."""
    found = []
    for author in range(4):
        rows = tuple(range(8 * author, 8 * author + 4))
        rule = Rule.model_validate(
            {"id": f"g{author}", "round": 1, "peer": 0, "rows": rows, "stage": stage, "scope": "global", "match": match.model_dump()}
        )
        found.append(Guard(rule, rule.patterns([(WORLD.text(DATA.x[row]), WORLD.answers[DATA.y[row]]) for row in rows], ("k",))))
    return tuple(found)


def points(own: Sequence[Guard], counts: Sequence[int] = (1, 2, 4)) -> list[Point]:
    kept: Rows = ROWS.without([row for guard in own for row in guard.rule.rows])
    return curve(Guarded(Knowing(), {}, tuple(own), ("k",)), {one.rule.id: ROWS.only(one.rule.rows) for one in own}, kept, PUBLIC, counts)


def test_more_guards_of_names_stop_more_of_what_nobody_protects() -> None:
    found = points(guards(Subject()))
    assert [(one.guards, one.asked, one.leaked, one.stopped) for one in found] == [(1, 4, 0, 4), (2, 8, 0, 8), (4, 16, 0, 16)]
    assert [(one.kept, one.kept_stopped, one.kept_right) for one in found] == [(32, 4, 28), (32, 8, 24), (32, 16, 16)]
    assert [one.public_stopped for one in found] == [0, 0, 0]
    assert [one.precision for one in found] == [0.5, 0.5, 0.5]


def test_guards_of_questions_stop_nothing_else_and_weak_ones_lose_their_precision() -> None:
    assert [(one.leaked, one.precision) for one in points(guards(Exact()))] == [(0, 1.0), (0, 1.0), (0, 1.0)]
    weak = points(guards(NGram(n=1, overlap=0.5)))
    assert weak[-1].precision is not None
    assert weak[-1].precision < 0.5
    assert weak[-1].public_stopped > 0


def test_a_guard_that_withholds_nothing_leaks_everything() -> None:
    faulty = [Guard(guard.rule, np.empty((0, 1), np.uint64)) for guard in guards(Subject())]
    assert [(one.leaked, one.asked, one.precision) for one in points(faulty)] == [(4, 4, None), (8, 8, None), (16, 16, None)]


def test_guards_act_in_the_order_of_their_ids_in_whatever_order_they_came() -> None:
    own = guards(Subject())
    assert points(own[::-1]) == points(own)


@pytest.mark.parametrize(("most", "counts"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8]), (0, [])])
def test_numbers_double_up_to_the_last(most: int, counts: list[int]) -> None:
    assert doubling(most) == counts
