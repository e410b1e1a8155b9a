"""What a peer of an averaged denoiser is told once."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clients.diffusion.config import DenoisingConfig


class AveragedDenoisingConfig(DenoisingConfig):
    """Constants of a peer whose updates a server averages; ``proximal`` is the weight of FedProx's pull to the global model."""

    participant: ClassVar[str] = "clients.diffusion.averaging.peer:AveragedPeer"
    role: Literal["averaged"] = "averaged"
    proximal: Annotated[float, Field(ge=0)] = 0.0
