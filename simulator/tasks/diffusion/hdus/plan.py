"""The plan of a scenario in which peers exchange seed denoisers."""

from __future__ import annotations

from clients.diffusion.hdus.config import HdusDenoisingConfig
from simulator.tasks.diffusion.hdus.scenario import HdusDenoisingScenario
from simulator.tasks.diffusion.plan import DiffusionPlan


class HdusDenoisingPlan(DiffusionPlan):
    """A scenario of peers that exchange seed denoisers after every random choice has been drawn."""

    scenario: HdusDenoisingScenario
    configs: tuple[HdusDenoisingConfig, ...]
    returns: tuple[HdusDenoisingConfig, ...] = ()
