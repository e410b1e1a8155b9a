"""Building the server of peers that exchange seed denoisers: both public backbones first, trained once or taken from the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.diffusion.hdus.config import HdusBrief
from server.diffusion.hdus.coordinator import Neighbourhood
from simulator.tasks.diffusion.backbone import backbone

if TYPE_CHECKING:
    from simulator.progress import Watch
    from simulator.tasks.diffusion.plan import DiffusionPlan


def neighbourhood(plan: DiffusionPlan, watch: Watch) -> Neighbourhood:
    """Return the server of a plan."""
    brief = plan.briefs[0]
    assert isinstance(brief, HdusBrief)
    seed = brief.model_copy(update={"denoiser": brief.seed.beside(brief.denoiser)})
    return Neighbourhood(brief, backbone(brief, watch), backbone(seed, watch), plan.timeline)
