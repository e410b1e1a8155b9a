"""The plan of a scenario of a denoiser."""

from __future__ import annotations

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

    def without(self, request: int) -> DiffusionPlan:
        """Return the plan in which what a request names had never been; attacks, which change nothing, are left out."""
        return _unwatched(super().without(request))

    def until(self, last: int) -> DiffusionPlan:
        """Return the plan that ends with the round ``last``, attacks left out."""
        return _unwatched(super().until(last))

    def ignoring_requests(self) -> DiffusionPlan:
        """Return the plan in which no peer and no rows are forgotten; concepts are erased as before, attacks are left out."""
        return _unwatched(super().ignoring_requests())


def _unwatched(plan: Plan) -> DiffusionPlan:
    """Return the plan without attacks."""
    assert isinstance(plan, DiffusionPlan)
    rounds = tuple(
        now.model_copy(update={"acts": tuple(act for act in now.acts if isinstance(act, Defence))}) for now in plan.timeline.rounds
    )
    return plan.model_copy(update={"timeline": plan.timeline.model_copy(update={"rounds": rounds})})
