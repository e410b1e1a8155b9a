"""What peers are told that train a denoiser each, and help each other with seeds."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import NonNegativeInt

from clients.diffusion.config import DenoisingConfig
from clients.diffusion.hdus.spec import NoiseWeights, SeedDenoiser, SeedDistillation


class HdusDenoisingConfig(DenoisingConfig):
    """Constants of a peer that draws with its neighbours' seeds.

    ``judged`` samples of each class are drawn and judged after each round. ``streams = "sequential"`` is a negative control: it keys a
    peer's randomness by how many messages the coordinator has sent before.
    """

    participant: ClassVar[str] = "clients.diffusion.hdus.peer:HdusPeer"
    role: Literal["hdus"] = "hdus"
    seed: SeedDenoiser
    distillation: SeedDistillation
    ensemble: NoiseWeights
    judged: NonNegativeInt
    streams: Literal["keyed", "sequential"]

    @property
    def sequential(self) -> bool:
        """Whether draws are keyed by how many messages were sent before."""
        return self.streams == "sequential"
