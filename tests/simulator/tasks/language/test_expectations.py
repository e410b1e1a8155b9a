"""Expectations of rules: measured ones are let through, and no others."""

from __future__ import annotations

import pytest

from clients.unlearning.prompts.matchers.subject import Subject
from clients.unlearning.prompts.rules import Rule
from server.language.timeline import GuardedTimeline
from server.timeline import Round
from simulator.scenarios.expect import Expect
from simulator.tasks.language.expectations import never_measured

RULE = Rule(id="a", round=1, until=2, peer=0, rows=(4, 5), stage="input", scope="global", match=Subject())
ROUNDS = tuple(Round(round=number, present=(0, 1), members=(0, 1), edges=()) for number in (1, 2, 3))
TIMELINE = GuardedTimeline(rounds=ROUNDS, erasures=(), rules=(RULE, RULE.model_copy(update={"id": "b", "until": None})))


@pytest.mark.parametrize(
    ("metric", "after", "line"),
    [
        ("leaked.a.plain", 2, None),
        ("leaked.b.plain", "final", None),
        ("rouge.leaked.b", "final", None),
        ("rouge.own", "final", None),
        ("leaked.a.plain", "final", "set after = 2"),
        ("rouge.known.b", 3, "set after = 'final'"),
        ("rouge.leaked.c", "final", "'rouge.leaked.c' is never measured: name a guard, of a, b"),
        ("rouge.forgotten.true", "final", "'rouge.forgotten.true' is never measured: delete rows by method = 'in_context'"),
    ],
)
def test_expectations_are_let_through_where_they_are_measured(metric: str, after: int | str, line: str | None) -> None:
    told = list(never_measured([Expect.model_validate({"after": after, "metric": metric, "max": 0})], TIMELINE, sentences=True))
    assert len(told) == (line is not None)
    assert all(str(line) in what for _, what in told)


def test_without_sentences_there_is_no_rouge() -> None:
    expected = Expect(after="final", metric="rouge.own", max=0)
    ((_, what),) = never_measured([expected], TIMELINE, sentences=False)
    assert "'rouge.own' is never measured, since answers are no sentences here" in what
