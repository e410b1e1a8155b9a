"""The plan of a scenario of a denoiser."""

from __future__ import annotations

from typing import Self

from clients.diffusion.config import DenoisingConfig
from server.diffusion.timeline import ConceptTimeline, Defence
from simulator.scenarios.plan import Plan
from simulator.tasks.diffusion.scenario import Diffusion


class DiffusionPlan(Plan):
    """A scenario of a denoiser after every random choice has been drawn."""

    scenario: Diffusion
    configs: tuple[DenoisingConfig, ...]
    returns: tuple[DenoisingConfig, ...] = ()
    timeline: ConceptTimeline

    def unwatched(self) -> Self:
        """Return the plan without attacks; concept erasures and defences stay."""
        rounds = tuple(
            now.model_copy(update={"acts": tuple(act for act in now.acts if isinstance(act, Defence))}) for now in self.timeline.rounds
        )
        return self.model_copy(update={"timeline": self.timeline.model_copy(update={"rounds": rounds})})
