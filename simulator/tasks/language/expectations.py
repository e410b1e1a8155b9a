"""Expectations of language models that can never be checked: of rules, ways of asking, or prompts that there are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clients.unlearning.prompts.bypasses import FAMILIES, NOT_APPLICABLE
from clients.unlearning.prompts.in_context import InContext
from clients.unlearning.prompts.prompting import CONTROLS
from server.language.timeline import GuardedTimeline
from simulator.scenarios.expect import Expect
from simulator.scenarios.validation_errors import name_place

_OF_RULES, _OF_PROMPTS = ("leaked.", "known.", "asked.rule."), ("asked.forgotten", "exact.forgotten.", "margin.")


def never_measured(expected: Sequence[Expect], timeline: GuardedTimeline) -> Iterator[tuple[str, str]]:
    """Yield place and reason of every expectation of a metric of a rule or of a prompt that is in no round measured."""
    rules = [rule.id for rule in timeline.rules]
    of_rules = {f"asked.rule.{rule}" for rule in rules}
    of_rules |= {f"{kind}.{rule}.{way}" for kind in ("leaked", "known") for rule in rules for way in FAMILIES}
    cure = f"name a guard, of {', '.join(rules) or 'none'}, and a way of asking, of {', '.join(FAMILIES)}"
    prompted = any(isinstance(one.method, InContext) for one in timeline.erasures)
    of_prompts = {"asked.forgotten", *(f"{kind}{prompt}" for kind in _OF_PROMPTS[1:] for prompt in CONTROLS)} if prompted else set()
    written = f"name a prompt, of {', '.join(CONTROLS)}" if prompted else "delete rows by method = 'in_context', or leave it out"
    for i, metric in enumerate(one.metric or "" for one in expected):
        for kinds, measured, how in ((_OF_RULES, of_rules, cure), (_OF_PROMPTS, of_prompts, written)):
            if metric.startswith(kinds) and metric not in measured:
                why = NOT_APPLICABLE.get(metric.rpartition(".")[2])
                yield name_place(("expect", i, "metric")), f"{metric!r} is never measured{f', since {why}' if why else ''}: {how}"
