"""The plan of a scenario of an averaged language model."""

from __future__ import annotations

from clients.language.averaging.config import LanguageConfig
from server.language.timeline import GuardedTimeline
from simulator.scenarios.plan import Plan
from simulator.tasks.language.averaging.scenario import LanguageScenario


class LanguagePlan(Plan):
    """A scenario of an averaged language model after every random choice has been drawn."""

    scenario: LanguageScenario
    configs: tuple[LanguageConfig, ...]
    returns: tuple[LanguageConfig, ...] = ()
    timeline: GuardedTimeline

    @property
    def served(self) -> GuardedTimeline:
        """The timeline whose rules protect only rows that their owner ever has: in a counterfactual, it lacks some."""
        held: dict[int, set[int]] = {}
        for config in (*self.configs, *self.returns):
            held.setdefault(config.peer, set()).update(config.rows)
        for one in self.timeline.arrivals():
            held[one.peer].update(one.rows)
        left = [tuple(row for row in rule.rows if row in held[rule.peer]) for rule in self.timeline.rules]
        rules = tuple(rule.model_copy(update={"rows": rows}) for rule, rows in zip(self.timeline.rules, left, strict=True))
        return self.timeline.model_copy(update={"rules": rules})
