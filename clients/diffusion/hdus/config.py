"""Configuration of a denoising peer in an HDUS federation."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, NonNegativeInt

from clients.diffusion.config import DenoisingConfig
from clients.diffusion.hdus.spec import AnyMainDenoiser, NoiseWeights, PlainDenoiser, SeedDenoiser, SeedDistillation, ShardedDenoiser
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
    Metric("erasures.failed", "sum", "requests", "lower"),
)
"""Accuracies of samples of the main model (``local``) and of the ensemble (``sampled``): over all, in style, and per concept."""


class HdusDenoisingConfig(DenoisingConfig):
    """Config of a peer that samples with its neighbours' seeds.

    After each round, ``judged`` samples of each class are drawn and classified. ``streams = "sequential"`` is a negative control: it keys
    a peer's randomness by the number of messages that the coordinator has sent so far. ``released`` says that the server releases a model
    made of the seeds, so that peers cut erased concepts out of what they send, too.
    """

    participant: ClassVar[str] = "clients.diffusion.hdus.peer:HdusPeer"
    role: Literal["hdus"] = "hdus"
    # the default is left out, so that plans from before there were other main models keep their hash
    main: AnyMainDenoiser = Field(PlainDenoiser(), exclude_if=lambda main: main == PlainDenoiser())
    seed: SeedDenoiser
    distillation: SeedDistillation
    ensemble: NoiseWeights
    judged: NonNegativeInt
    streams: Literal["keyed", "sequential"]
    # left out while it is not set, so that plans from before this key keep their hash
    released: bool = Field(False, exclude_if=lambda released: not released)

    @property
    def of_seed(self) -> Self:
        """The config with the seed denoiser, and what it learns, in the place of the main model."""
        learns_all = self.seed.learns == "all"
        training = self.denoising.model_copy(update={"design": "joint"}) if learns_all else self.denoising
        return self.model_copy(update={"denoiser": self.seed.beside(self.denoiser), "denoising": training})

    @property
    def model(self) -> str:
        """The main model, in one line."""
        usual = super().model
        return f"{usual}, sisa {self.main.shards} x {self.main.slices}" if isinstance(self.main, ShardedDenoiser) else usual

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The common metrics, losses, accuracies of samples, and the share of cut weights."""
        return (*super().metrics, *METRICS)

    @property
    def sequential(self) -> bool:
        """Whether draws are keyed by the number of messages sent so far."""
        return self.streams == "sequential"
