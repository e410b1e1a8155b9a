"""The tables of a scenario in which peers exchange seed denoisers."""

from __future__ import annotations

from simulator.tasks.diffusion.hdus.tables import Hdus
from simulator.tasks.diffusion.scenario import Diffusion


class HdusDenoisingScenario(Diffusion):
    """A scenario in which each peer trains its own denoiser and sends its neighbours a seed."""

    federation: Hdus
