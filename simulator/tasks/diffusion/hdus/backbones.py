"""Building the server of peers that exchange seed denoisers: both public backbones first, trained once or taken from the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.diffusion.hdus.config import HdusDenoisingConfig
from server.diffusion.hdus.coordinator import Neighbourhood
from simulator.tasks.diffusion.backbone import backbone

if TYPE_CHECKING:
    from simulator.progress import Watch
    from simulator.tasks.diffusion.plan import DiffusionPlan


def neighbourhood(plan: DiffusionPlan, watch: Watch) -> Neighbourhood:
    """Return the server of a plan."""
    config = plan.configs[0]
    assert isinstance(config, HdusDenoisingConfig)
    seed = config.model_copy(update={"denoiser": config.seed.beside(config.denoiser)})
    return Neighbourhood(config, backbone(config, watch), backbone(seed, watch), plan.timeline)
