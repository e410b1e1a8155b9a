"""The plan of a scenario in which a server averages denoisers."""

from __future__ import annotations

from clients.diffusion.averaging.config import AveragedDenoisingConfig
from simulator.tasks.diffusion.averaging.scenario import AveragedDenoisingScenario
from simulator.tasks.diffusion.plan import DiffusionPlan


class AveragedDenoisingPlan(DiffusionPlan):
    """A scenario of averaged denoisers after every random choice has been drawn."""

    scenario: AveragedDenoisingScenario
    configs: tuple[AveragedDenoisingConfig, ...]
    returns: tuple[AveragedDenoisingConfig, ...] = ()
