"""The common part of plans of language models: a timeline with rules that withhold knowledge."""

from __future__ import annotations

from collections.abc import Sequence

from clients.language.config import WordsConfig
from server.language.timeline import GuardedTimeline
from simulator.scenarios.plan import Plan


class GuardedPlan(Plan):
    """A scenario of language models after every random choice has been drawn."""

    configs: tuple[WordsConfig, ...]
    returns: tuple[WordsConfig, ...] = ()
    timeline: GuardedTimeline

    @property
    def served(self) -> GuardedTimeline:
        """The timeline whose rules protect only rows that their owner ever has: in a counterfactual, it lacks some."""
        held: dict[int, set[int]] = {}
        everyone: Sequence[WordsConfig] = (*self.configs, *self.returns)
        for config in everyone:
            held.setdefault(config.peer, set()).update(config.rows)
        for one in self.timeline.arrivals():
            held[one.peer].update(one.rows)
        left = [tuple(row for row in rule.rows if row in held[rule.peer]) for rule in self.timeline.rules]
        rules = tuple(rule.model_copy(update={"rows": rows}) for rule, rows in zip(self.timeline.rules, left, strict=True))
        return self.timeline.model_copy(update={"rules": rules})
