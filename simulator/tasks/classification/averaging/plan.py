"""The plan of a scenario in which a server averages classifiers."""

from __future__ import annotations

from clients.classification.averaging.config import AveragedClassifierConfig
from simulator.scenarios.plan import Plan
from simulator.tasks.classification.averaging.scenario import AveragedScenario


class AveragedPlan(Plan):
    """A scenario of averaged classifiers after every random choice has been drawn."""

    scenario: AveragedScenario
    configs: tuple[AveragedClassifierConfig, ...]
    returns: tuple[AveragedClassifierConfig, ...] = ()
