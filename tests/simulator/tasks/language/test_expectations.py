"""Expectations of rules: measured ones are let through, and no others."""

from __future__ import annotations

from typing import Any

import pytest

from clients.unlearning.prompts.in_context import InContext
from clients.unlearning.prompts.matchers.subject import Subject
from clients.unlearning.prompts.rules import Rule
from server.language.timeline import GuardedTimeline
from server.timeline import Erasure, Round
from simulator.scenarios.expect import Expect
from simulator.tasks.language.expectations import never_measured

RULE = Rule(id="a", round=1, until=2, peer=0, rows=(4, 5), stage="input", scope="global", match=Subject())
ROUNDS = tuple(Round(round=number, present=(0, 1), members=(0, 1), edges=()) for number in (1, 2, 3))
TIMELINE = GuardedTimeline(rounds=ROUNDS, erasures=(), rules=(RULE, RULE.model_copy(update={"id": "b", "until": None})))
ASKED = Erasure(index=0, request=0, kind="rows", peer=1, round=2, rows=(7,), method=InContext())
UNLEARNED = TIMELINE.model_copy(update={"erasures": (ASKED,)})
UNGUARDED = TIMELINE.model_copy(update={"rules": (RULE,)})


@pytest.mark.parametrize(
    ("metric", "after", "line"),
    [
        ("leaked.a.plain", 2, None),
        ("leaked.b.plain", "final", None),
        ("rouge.leaked.b", "final", None),
        ("rouge.own", "final", None),
        ("exact.own", "final", None),
        ("exact.own", 3, "'exact.own' is measured in the final evaluation alone: set after = 'final'"),
        ("refused.public", "final", None),
        ("accuracy.global.model", 2, None),
        ("topical.bare", "final", "'topical.bare' is never measured, since this world has no topics"),
        ("leaked.a.plain", "final", "set after = 2"),
        ("rouge.known.b", 3, "set after = 'final'"),
        ("rouge.leaked.c", "final", "'rouge.leaked.c' is never measured: name a guard, of a, b"),
        ("rouge.forgotten.true", "final", "'rouge.forgotten.true' is never measured: delete rows by method = 'in_context'"),
    ],
)
def test_expectations_are_let_through_where_they_are_measured(metric: str, after: int | str, line: str | None) -> None:
    one = Expect.model_validate({"after": after, "metric": metric, "max": 0})
    told = list(never_measured([one], TIMELINE, sentences=True, topical=False))
    assert len(told) == (line is not None)
    assert all(str(line) in what for _, what in told)


def test_without_sentences_there_is_no_rouge() -> None:
    expected = Expect(after="final", metric="rouge.own", max=0)
    ((_, what),) = never_measured([expected], TIMELINE, sentences=False, topical=False)
    assert "'rouge.own' is never measured, since answers are no sentences here" in what


@pytest.mark.parametrize(
    ("expected", "timeline", "line"),
    [
        ({"metric": "leaked.b.plain", "peer": 0}, TIMELINE, None),
        ({"metric": "leaked.b.plain", "peer": 1}, TIMELINE, "(expect.0.peer): 'leaked.b.plain' is measured of peer 0, the owner of"),
        ({"metric": "margin.true"}, UNLEARNED, None),
        ({"metric": "margin.true", "peer": 1}, UNLEARNED, None),
        ({"metric": "margin.true", "peer": 0}, UNLEARNED, "(expect.0.peer): 'margin.true' is measured of peer 1, whose rows"),
        ({"metric": "margin.true", "after": 3}, UNLEARNED, "(expect.0.after): 'margin.true' is measured in the final evaluation alone"),
        ({"metric": "exact.guarded"}, UNGUARDED, "'exact.guarded' is never measured, since no guard acts at the end"),
    ],
)
def test_metrics_are_of_their_peers_and_of_their_time(expected: dict[str, Any], timeline: GuardedTimeline, line: str | None) -> None:
    one = Expect.model_validate({"after": "final", "max": 0, **expected})
    told = [f"({place.partition('(')[2]}: {what}" for place, what in never_measured([one], timeline, sentences=True, topical=False)]
    assert len(told) == (line is not None)
    assert all(str(line) in what for what in told)
