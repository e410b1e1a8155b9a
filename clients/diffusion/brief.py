"""What peers that train a denoiser are told."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt

from clients.brief import PeerBrief
from clients.diffusion.spec import DenoiserSpec, DenoiserTraining, Sampling


class DenoisingBrief(PeerBrief):
    """Constants of a peer that trains a denoiser, whatever its role; ``steps`` are its gradient steps a round."""

    denoiser: DenoiserSpec
    denoising: DenoiserTraining
    sampling: Sampling
    steps: PositiveInt

    @property
    def model(self) -> str:
        """The denoiser, in one line."""
        return f"denoiser ({self.denoising.design})"


class AveragedBrief(DenoisingBrief):
    """Constants of a peer whose updates a server averages; ``proximal`` is the weight of FedProx's pull to the global model."""

    participant: ClassVar[str] = "clients.diffusion.averaged:AveragedPeer"
    role: Literal["averaged"] = "averaged"
    proximal: Annotated[float, Field(ge=0)] = 0.0
