"""The simulation state during resolution of a scenario of a language model: with rules that withhold knowledge."""

from __future__ import annotations

from collections.abc import Iterable

from clients.unlearning.general.contract import MethodSpec
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
    ended : dict of str to int
        Round of the erasure of its owner, by id of the rules that went with theirs.
    """

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.rules: dict[str, Rule] = {}
        self.ended: dict[str, int] = {}

    def guard(self, rule: Rule) -> None:
        """Add a rule; ``EventError`` if its id is taken, or its owner is away."""
        if rule.id in self.rules:
            raise EventError(f"a guard named {rule.id!r} is there since round {self.rules[rule.id].round}: take another id")
        if rule.peer not in self.online:
            raise EventError(
                f"peer {rule.peer} is away in round {self.round}, and cannot publish a rule: name a round in which it is present"
            )
        self.rules[rule.id] = rule

    def erase(self, kind: str, peers: Iterable[int], method: MethodSpec | None = None) -> str:
        """Carry out the erasure of peers, with which their rules go."""
        gone = set(peers)
        self.ended |= {rule.id: self.round for rule in self._in_force() if rule.peer in gone}
        return super().erase(kind, gone, method)

    def unguard(self, name: str) -> Rule:
        """Revoke a rule from the next round on, and return it; ``EventError`` if none of this id is in force."""
        if name in self.ended:
            raise EventError(
                f"guard {name!r} went with peer {self.rules[name].peer}, its owner, erased in round {self.ended[name]}: leave it out"
            )
        there = {rule.id: rule for rule in self._in_force()}
        if (rule := there.get(name)) is None:
            cure = f"name one of {', '.join(there)}" if there else "put a guard event before it"
            raise EventError(f"no guard named {name!r} is in force: {cure}")
        if rule.round >= self.round:
            raise EventError(f"guard {name!r} acts from round {rule.round + 1} on: revoke it then, or leave it out")
        self.rules[name] = rule.model_copy(update={"until": self.round})
        return self.rules[name]

    def _in_force(self) -> list[Rule]:
        """Return the rules that nothing has ended, in the order of their making."""
        return [rule for rule in self.rules.values() if rule.until is None and rule.id not in self.ended]
