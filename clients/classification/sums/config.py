"""Configuration of peers that send sums over their rows to the server, and nothing else."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clients.classification.compute import USUAL, ClassifierCompute
from clients.classification.hdus.config import PLACES
from clients.config import PeerConfig, in_short
from clients.training import Training
from clients.unlearning.exact.statistical.specs import NaiveBayes, Pca, Ridge

AnySummed = Annotated[NaiveBayes | Pca | Ridge, Field(discriminator="kind")]


class SummedConfig(PeerConfig):
    """Config of a peer whose rows enter the federation's model through sums over them; subclasses say which."""

    places: ClassVar[tuple[str, ...]] = PLACES

    @property
    def compute(self) -> ClassifierCompute:
        """Default settings, as the base class needs them; sums are added up on the CPU."""
        return USUAL

    @property
    def training(self) -> Training:
        """Default training settings, as the base class needs them; nothing is trained by gradient descent."""
        return Training()


class SumsConfig(SummedConfig):
    """Config of a peer whose sums are its own; ``main`` defines them."""

    participant: ClassVar[str] = "clients.classification.sums.peer:SumsPeer"
    role: Literal["sums"] = "sums"
    main: AnySummed

    @property
    def model(self) -> str:
        """The model in one line."""
        return in_short(self.main)
