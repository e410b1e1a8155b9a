"""Expectations of language models that can never be checked: of rules, ways of asking, prompts, peers or rounds that there are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clients.language.metrics import METRICS
from clients.unlearning.prompts.bypasses import FAMILIES, NOT_APPLICABLE
from clients.unlearning.prompts.in_context import InContext
from clients.unlearning.prompts.prompting import CONTROLS
from clients.unlearning.prompts.rules import Rule
from server.language.timeline import GuardedTimeline
from simulator.scenarios.expect import Expect
from simulator.scenarios.validation_errors import name_place

_OF_RULES = ("leaked.", "known.", "asked.rule.", "rouge.leaked.", "rouge.known.")
_OF_GUARDS = ("exact.guarded", "rouge.guarded", "asked.kept", "refused.kept", "asked.public", "refused.public")
_OF_TOPICS = ("asked.topic", "topical.", "asked.control")
_OF_PROMPTS = ("asked.forgotten", "exact.forgotten.", "margin.", "rouge.forgotten.")


def never_measured(expected: Sequence[Expect], timeline: GuardedTimeline, *, sentences: bool, topical: bool) -> Iterator[tuple[str, str]]:
    """Yield place and reason of every expectation of a metric of language models that is in no round measured, or not in its own.

    Parameters
    ----------
    expected : sequence of Expect
    timeline : GuardedTimeline
    sentences : bool
        Whether answers are sentences, of which ROUGE is measured.
    topical : bool
        Whether the world has topics.
    """
    of_rules = {metric: rule for rule in timeline.rules for metric in _metrics(rule.id)}
    ids = ", ".join(rule.id for rule in timeline.rules) or "none"
    cure = f"name a guard, of {ids}, and a way of asking, of {', '.join(FAMILIES)}"
    askers = sorted({one.peer for one in timeline.erasures if isinstance(one.method, InContext)})
    of_prompts = {"asked.forgotten", *(f"{kind}{prompt}" for kind in _OF_PROMPTS[1:] for prompt in CONTROLS)} if askers else set()
    written = f"name a prompt, of {', '.join(CONTROLS)}" if askers else "delete rows by method = 'in_context', or leave it out"
    guarded = bool(timeline.acting(len(timeline.rounds) + 1))
    for i, one in enumerate(expected):
        metric, place = one.metric or "", name_place(("expect", i, "metric"))
        if metric.startswith("rouge.") and not sentences:
            others = "a metric of answers given right, such as leaked.<rule>.plain or exact.own"
            yield place, f"{metric!r} is never measured, since answers are no sentences here: name {others}"
        elif metric.startswith(_OF_RULES) and metric not in of_rules:
            why = NOT_APPLICABLE.get(metric.rpartition(".")[2])
            yield place, f"{metric!r} is never measured{f', since {why}' if why else ''}: {cure}"
        elif metric.startswith(_OF_PROMPTS) and metric not in of_prompts:
            yield place, f"{metric!r} is never measured: {written}"
        elif metric in of_rules and (what := _at_another_time(of_rules[metric], one.round(len(timeline.rounds)), timeline)):
            yield name_place(("expect", i, "after")), f"{metric!r} is not measured then: {what}"
        elif metric in of_rules and one.peer not in (None, owner := of_rules[metric].peer):
            whose = f"the owner of guard {of_rules[metric].id!r}"
            yield name_place(("expect", i, "peer")), f"{metric!r} is measured of peer {owner}, {whose}: name that, or remove peer"
        elif metric in of_prompts and one.peer is not None and one.peer not in askers:
            whose = f"{', '.join(map(str, askers))}, whose rows prompts unlearn"
            yield name_place(("expect", i, "peer")), f"{metric!r} is measured of peer {whose}: name one, or remove peer"
        elif metric.startswith(_OF_GUARDS) and not guarded:
            yield place, f"{metric!r} is never measured, since no guard acts at the end: publish one, or leave it out"
        elif metric.startswith(_OF_TOPICS) and not topical:
            yield place, f"{metric!r} is never measured, since this world has no topics: take one that has, or leave it out"
        elif metric not in of_rules and one.after != "final" and any(known.matches(metric) for known in METRICS):
            yield name_place(("expect", i, "after")), f"{metric!r} is measured in the final evaluation alone: set after = 'final'"


def _metrics(rule: str) -> Iterator[str]:
    """Yield every metric of a rule."""
    yield f"asked.rule.{rule}"
    for kind in ("leaked", "known"):
        yield f"rouge.{kind}.{rule}"
        yield from (f"{kind}.{rule}.{way}" for way in FAMILIES)


def _at_another_time(rule: Rule, number: int, timeline: GuardedTimeline) -> str | None:
    """Return when a rule is measured, which is when it acts for the last time, and the cure; None if it is in this round."""
    final = len(timeline.rounds) + 1
    due = rule.until or final
    acts = [at for at in range(rule.round + 1, final + 1) if _measurable(rule, at, timeline)]
    if due in acts:
        after = "'final'" if due == final else due
        when = "it is in force to the end" if due == final else f"it acts for the last time in round {due}"
        return None if number == due else f"guard {rule.id!r} is, when {when}: set after = {after}"
    gone = f"guard {rule.id!r} protects nothing then, or peer {rule.peer}, its owner, is away"
    if not acts:
        return f"{gone} in every round: leave it out"
    return f"{gone}: revoke it by do = 'unguard' in round {acts[-1]}, the last in which it acts, and set after = {acts[-1]}"


def _measurable(rule: Rule, number: int, timeline: GuardedTimeline) -> bool:
    """Return whether a rule acts in a round, or after the last one, its owner is there, and a record that it protects is left."""
    there = rule.peer in timeline.rounds[min(number, len(timeline.rounds)) - 1].present
    return there and rule in timeline.acting(number) and bool(timeline.protected(rule, number))
