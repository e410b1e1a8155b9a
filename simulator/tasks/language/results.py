"""Results of a language model: what it memorised, what leaks past guards, and what prompts change, with intervals.

Facts about one person are learned together, so that their questions do not count as independent: intervals are those of as many
questions as there are names.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from clients import data, wire
from clients.data.rows import Ids
from clients.data.topics import Topical
from clients.data.worlds import world_of
from clients.language.contexts import PROMPTS
from clients.language.measures import PUBLIC
from clients.participant import ROWS
from clients.unlearning.prompts.bypasses import FAMILIES, NOT_APPLICABLE
from clients.unlearning.prompts.prompting import CONTROLS
from server.audit.intervals import wilson
from server.ledger import FEDERATION

if TYPE_CHECKING:
    from clients.unlearning.prompts.rules import Rule
    from simulator.storage.store import RunStore
    from simulator.tasks.language.plan import GuardedPlan


def findings_of(asked: Asked) -> dict[str, Any]:
    """Return what was measured of language models; shares with their numbers and 95 % intervals."""
    plan, last = asked.plan, asked.plan.rounds + 1
    values, told = asked.values(last), dict[str, Any]()
    if "asked.own" in values:
        told["memorised"] = share(values, "exact.own", "asked.own", asked.own) | {"truth_ratio": values["truth_ratio.own"]}
        told["memorised"] |= rouge(values, "rouge.own", "asked.own", asked.own)
    if "asked.kept" in values:
        told["guarded"] = {
            "kept_right": share(values, "exact.guarded", "asked.kept", asked.kept),
            "kept_refused": share(values, "refused.kept", "asked.kept", asked.kept),
            "public_refused": share(values, "refused.public", "asked.public", asked.public),
            **rouge(values, "rouge.guarded", "asked.kept", asked.kept),
        }
    world = world_of(plan.configs[0].data)
    if "asked.topic" in values:
        assert isinstance(world, Topical)
        told["topic"] = {"score": world.score, **_topic(world, values)}
    told["guards"] = [_rule(rule, asked) for rule in plan.timeline.rules]
    if told["guards"]:
        told["not_applicable"] = NOT_APPLICABLE
    if "asked.forgotten" in values:
        told["in_context"] = {
            one: share(values, f"exact.forgotten.{one}", "asked.forgotten", asked.forgotten)
            | {"margin": values[f"margin.{one}"], **rouge(values, f"rouge.forgotten.{one}", "asked.forgotten", asked.forgotten)}
            for one in CONTROLS
        }
    return told


class Asked:
    """The questions that the peers of the final evaluation were asked, by the names that they are about.

    Parameters
    ----------
    plan : GuardedPlan
    store : RunStore
    """

    def __init__(self, plan: GuardedPlan, store: RunStore) -> None:
        self.plan, self.store = plan, store
        states = store.states()
        self.states = {peer: wire.from_bytes(store.artefact(states[peer].main)) for peer in self._peers("asked.own")}

    def _peers(self, metric: str) -> list[int]:
        """Return the peers that sent a metric of the final evaluation."""
        source = "select distinct peer from metrics where round = ? and name = ? and peer != ?"
        return [peer for (peer,) in self.store.rows(source, (self.plan.rounds + 1, metric, FEDERATION))]

    def values(self, number: int) -> dict[str, float]:
        """Return the federation's metrics of a round, by name."""
        return dict(self.store.rows("select name, value from metrics where round = ? and peer = ?", (number, FEDERATION)))

    def names(self, ids: Ids) -> int:
        """Return how many people the rows with these ids are about."""
        return len(np.unique(data.load(self.plan.configs[0].data).inputs(np.sort(ids))[:, -1]))

    @cached_property
    def held(self) -> Ids:
        """The ids of the records that peers still have."""
        return np.concatenate([np.empty(0, np.int64), *(state[ROWS] for state in self.states.values())])

    @cached_property
    def own(self) -> int:
        """How many people the records are about that peers still have."""
        return self.names(self.held)

    @cached_property
    def kept(self) -> int:
        """How many people the records are about that no rule of their owner protects, of peers at which a rule acts: others ask nothing."""
        number = self.plan.rounds + 1
        acting = [row for rule in self.plan.timeline.acting(number) for row in rule.rows]
        held = [self.states[peer][ROWS] for peer in self._peers("asked.kept") if peer in self.states]
        return self.names(np.setdiff1d(np.concatenate([np.empty(0, np.int64), *held]), acting))

    @cached_property
    def public(self) -> int:
        """How many people the public questions are about."""
        config = self.plan.configs[0]
        return len(np.unique(world_of(config.data).public(PUBLIC, *config.hash_key)[0][:, -1]))

    @cached_property
    def forgotten(self) -> int:
        """How many people the records are about that are forgotten in context."""
        return self.names(np.concatenate([state[PROMPTS][:, 0] for state in self.states.values() if PROMPTS in state]))


def _topic(world: Topical, values: Mapping[str, float]) -> dict[str, Any]:
    """Return the shares of answers that are words of the topic, to public questions about its names and about others."""
    about, others = (len(np.unique(world.probes(about=which)[:, -1])) for which in (True, False))
    asked = {"guarded": ("asked.topic", about), "bare": ("asked.topic", about), "control": ("asked.control", others)}
    return {name: share(values, f"topical.{name}", *of) for name, of in asked.items()}


def _rule(rule: Rule, asked: Asked) -> dict[str, Any]:
    """Return, of one rule, the shares of protected answers that each bypass gets with guards on, and with guards off.

    They are measured when it acts for the last time: in the round in which it is revoked, else after the last round. Where they are
    not, ``unmeasured`` says why.
    """
    number, timeline = rule.until or asked.plan.rounds + 1, asked.plan.timeline
    told = {
        "id": rule.id,
        "peer": rule.peer,
        "stage": rule.stage,
        "scope": rule.scope,
        "match": rule.match.tag,
        "readable": rule.match.readable,
        "action": None if rule.stage == "prompt" else rule.action,
        "guarantee": "behavioural",
        "revoked": rule.until,
    }
    values, rows = asked.values(number), timeline.protected(rule, number)
    if f"asked.rule.{rule.id}" not in values:
        return told | {"unmeasured": _reason(rule, rows, number, asked)}
    names = asked.names(np.array(rows, np.int64))
    for name, key in (("on", "leaked"), ("off", "known")):
        told[name] = {one: share(values, f"{key}.{rule.id}.{one}", f"asked.rule.{rule.id}", names) for one in FAMILIES}
        told |= {f"{what}_{name}": row for what, row in rouge(values, f"rouge.{key}.{rule.id}", f"asked.rule.{rule.id}", names).items()}
    return told


def _reason(rule: Rule, rows: list[int], number: int, asked: Asked) -> str:
    """Return why nothing was measured of a rule."""
    timeline = asked.plan.timeline
    if gone := [one.round for one in timeline.erasures if one.peer == rule.peer and one.round >= rule.round and timeline.departs(one)]:
        return f"peer {rule.peer}, its owner, was erased in round {gone[0]}, and the rule with it"
    if not rows:
        return "every record that it protected was deleted"
    when = "after the last round" if number > asked.plan.rounds else f"in round {number}"
    return f"peer {rule.peer}, its owner, did not answer {when}; nobody else knows what it protects"


def rouge(values: Mapping[str, float], name: str, of: str, names: int) -> dict[str, Any]:
    """Return the mean ROUGE-L recall as `share` does a share, under ``rouge``; empty where answers are no sentences.

    Numbers in [0, 1] vary at most as much as shares of their mean do, so that the interval is no shorter than it should be.
    """
    return {"rouge": share(values, name, of, names)} if name in values else {}


def share(values: Mapping[str, float], name: str, of: str, names: int) -> dict[str, Any]:
    """Return a share, the number of questions and of names that it is of, and its Wilson interval; None where nothing was asked."""
    n = int(values[of])
    assert names <= n, f"{names} names are in {n} questions"
    found = values[name] / n if n else None
    return {"share": found, "n": n, "names": names, "interval": None if found is None else wilson(found, names)}
