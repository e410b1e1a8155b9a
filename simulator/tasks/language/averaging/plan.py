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
