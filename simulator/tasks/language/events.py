"""Events of federations of language models, in addition to those of every task."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from clients.spec import Registry
from clients.unlearning.prompts.matchers import AnyMatcher
from clients.unlearning.prompts.matchers.contract import Stage
from clients.unlearning.prompts.matchers.subject import Subject
from clients.unlearning.prompts.rules import ACTIONS, Action, Edge, Rule, Scope
from simulator.events import COMMON
from simulator.events.contract import EventSpec
from simulator.events.contract import Stage as Turn
from simulator.events.rows import Chosen
from simulator.events.world import World
from simulator.tasks.language.world import GuardedWorld

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=40)]

EVENTS: Registry[EventSpec] = Registry(
    "lethe.language_events",
    "simulator.events.contract:EventSpec",
    {
        **COMMON,
        "guard": "simulator.tasks.language.events:GuardEvent",
        "unguard": "simulator.tasks.language.events:UnguardEvent",
    },
    tag="do",
)


class GuardEvent(EventSpec):
    """A peer has what some of its records say withheld by a rule, which acts from the next round on; no weight changes.

    Parameters
    ----------
    id : str
        Name of the rule: letters, digits, dashes and underscores.
    peer : int
        Its owner.
    rows : table
        The records that it protects.
    stage : {"prompt", "input", "output"}
        ``prompt`` tells the model not to know the name, ``input`` stops questions, ``output`` stops answers.
    scope : {"global", "client", "user"}
        ``global`` publishes hashes of the records, and every peer applies the rule; ``client`` publishes none, and only the owner does;
        ``user`` is the same for one ``user`` of the owner alone.
    match : table
        How it recognises what it protects, such as ``exact``, ``ngram`` or ``subject``.
    action : {"refuse", "unknown", "canned", "mask", "rewrite"}
        What a user gets instead, ``refuse`` unless set: nothing, ``unknown``, the text ``answer``; for answers ``mask``; for questions
        ``rewrite``, the answer to the same question about a stranger. Not for ``prompt``.
    answer : str, optional
        The canned answer, which the server and every peer read where ``scope`` is ``global``.
    user : str, optional
        Whose questions a rule of ``scope = "user"`` is for.
    """

    do: Literal["guard"] = "guard"
    id: Id
    peer: int
    rows: Chosen
    stage: Stage  # type: ignore[assignment,misc]  # the key that users write; `turn` is what the contract calls so
    scope: Scope = "global"
    match: AnyMatcher = Subject()
    action: Action | None = Field(None, exclude_if=lambda action: action is None)
    answer: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(None, exclude_if=lambda answer: answer is None)
    user: Id | None = Field(None, exclude_if=lambda user: user is None)

    @property
    def turn(self) -> Turn:
        """Its place in the order inside a round."""
        return "request"

    @property
    def public(self) -> Self:
        """The event without what stays at the owner's edge: an unpublished pattern, and, unless every peer applies it, answer and user."""
        match = self.match if self.match.published else self.match.hidden
        kept = self.scope == "global"
        words = {name: value if kept or value is None else "" for name, value in (("answer", self.answer), ("user", self.user))}
        return self.model_copy(update={"match": match, **words})

    @model_validator(mode="after")
    def _acts(self) -> Self:
        if self.stage == "prompt" and self.action is not None:
            raise ValueError("stage = 'prompt' lets the model answer as if it did not know, and has no action: remove the key")
        if self.action is not None and self.action not in ACTIONS[self.stage]:
            there = " or ".join(map(repr, ACTIONS[self.stage]))
            raise ValueError(f"action = {self.action!r} cannot be taken at stage = {self.stage!r}: take {there}")
        if (self.answer is None) == (self.action == "canned"):
            raise ValueError("answer goes with action = 'canned', and with no other: give both, or neither")
        if (self.user is None) == (self.scope == "user"):
            raise ValueError("user goes with scope = 'user', and with no other: give both, or neither")
        if self.stage not in self.match.stages:
            there = " or ".join(map(repr, self.match.stages))
            raise ValueError(f"match.kind = {self.match.tag!r} cannot be used at stage = {self.stage!r}: take stage = {there}")
        if self.match.fault is not None:
            raise ValueError(f"match.{self.match.fault}")
        if self.scope == "global" and not self.match.published:
            secret = f"scope = 'global' would send match.kind = {self.match.tag!r}, which is readable, to the server and every peer"
            raise ValueError(f"{secret}: set scope = 'client', or match.publish = true")
        return self

    def resolve(self, world: World) -> None:
        """Add the rule."""
        assert isinstance(world, GuardedWorld)
        (peer,) = world.named((self.peer,))
        world.membership.require_member(peer, "publish a guard")
        rows = self.rows.choose(world, [peer], "guard").get(peer, [])
        table: dict[str, Any] = {"stage": self.stage, "scope": self.scope, "match": self.match, "action": self.action or "refuse"}
        table |= {"answer": self.answer, "user": self.user}
        world.guard(Rule(id=self.id, round=world.round, peer=self.peer, rows=tuple(rows), **table))
        kept = ", readable" if self.match.readable else ", its answer readable" if self.answer and self.scope == "global" else ""
        world.tell("guard", [self.peer], f"{self.id}: {len(rows)} records, {self.stage}, {self.match.tag}, {self.scope}{kept}")


def edges(events: Iterable[EventSpec], peer: int) -> dict[str, Edge]:
    """Return what of its rules a peer does not let others read, by id."""
    own = [one for one in events if isinstance(one, GuardEvent) and one.peer == peer]
    kept = [one for one in own if not one.match.published or one.user is not None or (one.answer is not None and one.scope != "global")]
    return {one.id: Edge(match=one.match, user=one.user, answer=one.answer) for one in kept}


class UnguardEvent(EventSpec):
    """A rule is revoked, and does not act from the next round on.

    Parameters
    ----------
    id : str
        Name of the rule.
    """

    stage: ClassVar[Turn] = "request"
    do: Literal["unguard"] = "unguard"
    id: Id

    def resolve(self, world: World) -> None:
        """Revoke the rule."""
        assert isinstance(world, GuardedWorld)
        rule = world.unguard(self.id)
        world.tell("unguard", [rule.peer], rule.id)
