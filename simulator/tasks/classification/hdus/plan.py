"""The plan of a scenario of peers that exchange seed models."""

from __future__ import annotations

from clients.classification.hdus.config import HdusConfig
from simulator.scenarios.plan import Plan
from simulator.tasks.classification.hdus.scenario import HdusScenario


class HdusPlan(Plan):
    """A scenario of peers that exchange seed models after every random choice has been drawn."""

    scenario: HdusScenario
    configs: tuple[HdusConfig, ...]
    returns: tuple[HdusConfig, ...] = ()
