"""The tables of a scenario in which a server averages denoisers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from simulator.tasks.diffusion.averaging.tables import FedAdam, FedAvg, FedProx
from simulator.tasks.diffusion.scenario import Diffusion


class AveragedDenoisingScenario(Diffusion):
    """A scenario in which a server averages what the peers' denoisers learn."""

    federation: Annotated[FedAvg | FedProx | FedAdam, Field(discriminator="kind")]
