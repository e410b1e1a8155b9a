"""The plan of a scenario of peers that exchange seed language models."""

from __future__ import annotations

from clients.language.hdus.config import HdusLanguageConfig
from clients.language.spec import LanguageSpec
from simulator.tasks.language.hdus.scenario import HdusLanguageScenario
from simulator.tasks.language.plan import GuardedPlan


class HdusLanguagePlan(GuardedPlan):
    """A scenario of peers that exchange seed language models after every random choice has been drawn."""

    scenario: HdusLanguageScenario
    configs: tuple[HdusLanguageConfig, ...]
    returns: tuple[HdusLanguageConfig, ...] = ()

    @property
    def models(self) -> list[LanguageSpec]:
        """The different models that peers have, main models and the seed, with all that determines their weights."""
        found = {spec.model_dump_json(): spec for config in self.configs for spec in (config.main, config.seed)}
        return [*found.values()]
