"""The plan of a scenario of an averaged language model."""

from __future__ import annotations

from clients.language.averaging.config import LanguageConfig
from simulator.tasks.language.averaging.scenario import LanguageScenario
from simulator.tasks.language.plan import GuardedPlan


class LanguagePlan(GuardedPlan):
    """A scenario of an averaged language model after every random choice has been drawn."""

    scenario: LanguageScenario
    configs: tuple[LanguageConfig, ...]
    returns: tuple[LanguageConfig, ...] = ()
