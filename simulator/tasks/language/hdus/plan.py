"""The plan of a scenario of peers that exchange seed language models."""

from __future__ import annotations

from clients.language.hdus.config import HdusLanguageConfig
from simulator.tasks.language.hdus.scenario import HdusLanguageScenario
from simulator.tasks.language.plan import GuardedPlan


class HdusLanguagePlan(GuardedPlan):
    """A scenario of peers that exchange seed language models after every random choice has been drawn."""

    scenario: HdusLanguageScenario
    configs: tuple[HdusLanguageConfig, ...]
    returns: tuple[HdusLanguageConfig, ...] = ()
