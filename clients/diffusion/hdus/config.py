"""What peers are told that train a denoiser each, and help each other with seeds."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import NonNegativeInt

from clients.diffusion.config import DenoisingConfig
from clients.diffusion.hdus.spec import NoiseWeights, SeedDenoiser, SeedDistillation
from clients.metrics import Metric

METRICS = (
    Metric("loss.local", "mean", "squared error", "lower"),
    Metric("loss.ensemble", "mean", "squared error", "lower"),
    *(
        Metric(f"accuracy.{model}{of}", "mean", "share", "higher")
        for model in ("local", "sampled")
        for of in ("", ".cross", ".<concept>")
    ),
    Metric("cut.density", "mean", "share"),
)
"""Of the main model (``local``), and of what the ensemble draws (``sampled``): all samples, those right in style, those of one concept."""


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
    def metrics(self) -> tuple[Metric, ...]:
        """Losses, samples that are judged right, and the share that has been cut."""
        return (*super().metrics, *METRICS)

    @property
    def sequential(self) -> bool:
        """Whether draws are keyed by how many messages were sent before."""
        return self.streams == "sequential"
