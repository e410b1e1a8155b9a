"""The timeline of a federation of a language model: with rules that withhold knowledge."""

from __future__ import annotations

from clients.unlearning.prompts.rules import Rule
from server.timeline import Erasure, Timeline


class GuardedTimeline(Timeline):
    """All rounds in order, all erasures, and all rules in the order of the file."""

    rules: tuple[Rule, ...] = ()

    def published(self, number: int, peer: int) -> list[Rule]:
        """Return the rules that a peer publishes in a round."""
        return [rule for rule in self.rules if (rule.round, rule.peer) == (number, peer)]

    def ending(self, number: int, peer: int) -> list[Rule]:
        """Return the rules of a peer that are revoked in a round, in which they act for the last time."""
        return [rule for rule in self.acting(number) if (rule.until, rule.peer) == (number, peer)]

    def protected(self, rule: Rule, number: int) -> list[int]:
        """Return the ids, ascending, of the rows that a rule still protects after the requests of a round: those not deleted by then."""
        asked = [one for one in self.erasures if one.peer == rule.peer and rule.round <= one.round <= number]
        return sorted(set(rule.rows).difference(*(one.rows for one in asked)))

    def acting(self, number: int) -> list[Rule]:
        """Return the rules in force in a round; a rule belongs to the generation of its owner that published it, and goes with it.

        So a rule whose owner is not there to publish it never acts, as in the counterfactual of an erasure, where nothing erases the owner.
        """
        gone = [(one.peer, one.round) for one in self.erasures if one.round <= number and self.departs(one)]
        gone += [(peer, now.round) for now in self.rounds[:number] for peer in now.generation]
        there = (rule for rule in self.rules if rule.acts(number) and rule.peer in self.rounds[rule.round - 1].present)
        return [rule for rule in there if not any(rule.peer == peer and rule.round < at for peer, at in gone)]

    def by_method(self, peer: int, number: int) -> list[Erasure]:
        """Return the requests for rows of a peer, as it is in a round, that name a method and were made by then."""
        now = max((one.generation.get(peer, 0) for one in self.rounds[:number]), default=0)
        asked = (one for one in self.erasures if one.method is not None and not self.departs(one))
        return [one for one in asked if (one.peer, one.generation) == (peer, now) and one.round <= number]

    def generation(self, rule: Rule) -> int:
        """Return the generation of its owner that publishes a rule."""
        return max(now.generation.get(rule.peer, 0) for now in self.rounds[: rule.round])
