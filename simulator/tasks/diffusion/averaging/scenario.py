"""The tables of a scenario of averaged denoisers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from simulator.tasks.diffusion.averaging.tables import FedAdam, FedAvg, FedProx
from simulator.tasks.diffusion.scenario import Diffusion


class AveragedDenoisingScenario(Diffusion):
    """A scenario in which peers train one denoiser, and a server averages it."""

    federation: Annotated[FedAvg | FedProx | FedAdam, Field(discriminator="kind")]
