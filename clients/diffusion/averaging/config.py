"""Configuration of a denoising peer under federated averaging."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clients.diffusion.config import DenoisingConfig
from clients.metrics import Metric


class AveragedDenoisingConfig(DenoisingConfig):
    """Config of a denoising peer under federated averaging; ``proximal`` is the weight of FedProx's proximal term."""

    participant: ClassVar[str] = "clients.diffusion.averaging.peer:AveragedPeer"
    role: Literal["averaged"] = "averaged"
    proximal: Annotated[float, Field(ge=0)] = 0.0

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The common metrics, the loss of the peer's own weights, and the number of erasures that it could not carry out."""
        own = Metric("loss.local", "mean", "squared error", "lower"), Metric("erasures.failed", "sum", "requests", "lower")
        return (*super().metrics, *own)
