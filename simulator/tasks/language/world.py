"""The simulation state during resolution of a scenario of a language model: with rules that withhold knowledge."""

from __future__ import annotations

from clients.unlearning.prompts.rules import Rule
from simulator.events.peers import EventError
from simulator.events.world import Setting, World


class GuardedWorld(World):
    """The state that events may read and change.

    Parameters
    ----------
    setting : Setting

    Attributes
    ----------
    rules : dict of str to Rule
        Every rule so far, by id.
    """

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.rules: dict[str, Rule] = {}

    def guard(self, rule: Rule) -> None:
        """Add a rule; ``EventError`` if its id is taken, or its owner is away."""
        if rule.id in self.rules:
            raise EventError(f"a guard named {rule.id!r} is there since round {self.rules[rule.id].round}: take another id")
        if rule.peer not in self.online:
            raise EventError(
                f"peer {rule.peer} is away in round {self.round}, and cannot publish a rule: name a round in which it is present"
            )
        self.rules[rule.id] = rule

    def unguard(self, name: str) -> Rule:
        """Revoke a rule from the next round on, and return it; ``EventError`` if none of this id is in force."""
        rule = self.rules.get(name)
        if rule is None or rule.until is not None:
            there = ", ".join(one.id for one in self.rules.values() if one.until is None)
            raise EventError(f"no guard named {name!r} is in force: {f'name one of {there}' if there else 'put a guard event before it'}")
        if rule.round >= self.round:
            raise EventError(f"guard {name!r} acts from round {rule.round + 1} on: revoke it then, or leave it out")
        self.rules[name] = rule.model_copy(update={"until": self.round})
        return self.rules[name]
