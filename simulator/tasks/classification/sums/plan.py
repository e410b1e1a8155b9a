"""The plan of a scenario of peers that send sums."""

from __future__ import annotations

from clients.classification.sums.config import SumsConfig
from clients.classification.sums.newton.config import NewtonConfig
from simulator.scenarios.plan import Plan
from simulator.tasks.classification.sums.scenario import SumsScenario


class SumsPlan(Plan):
    """A scenario of peers that send sums after every random choice has been drawn."""

    scenario: SumsScenario
    configs: tuple[SumsConfig | NewtonConfig, ...]
    returns: tuple[SumsConfig | NewtonConfig, ...] = ()
