"""What a peer of an averaged denoiser is told once."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clients.diffusion.config import DenoisingConfig
from clients.metrics import Metric


class AveragedDenoisingConfig(DenoisingConfig):
    """Constants of a peer whose updates a server averages; ``proximal`` is the weight of FedProx's pull to the global model."""

    participant: ClassVar[str] = "clients.diffusion.averaging.peer:AveragedPeer"
    role: Literal["averaged"] = "averaged"
    proximal: Annotated[float, Field(ge=0)] = 0.0

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The loss of the peer's own weights, and how many requests to erase it could not carry out."""
        own = Metric("loss.local", "mean", "squared error", "lower"), Metric("erasures.failed", "sum", "requests", "lower")
        return (*super().metrics, *own)
