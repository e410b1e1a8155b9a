"""Configuration of a peer that answers with gradients and Hessians of a convex model, perturbed by its share of a secret."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clients.classification.sums.config import SummedConfig
from clients.config import in_short
from clients.unlearning.approximate.certified.spec import CertifiedRemoval
from clients.unlearning.approximate.statistics.spec import InfinitesimalJackknife, NewtonStatistics
from clients.unlearning.convex.spec import Convex

AnyStepped = Annotated[CertifiedRemoval | NewtonStatistics | InfinitesimalJackknife, Field(discriminator="kind")]
"""Tables of convex models that forget by steps on sums of derivatives."""


class NewtonConfig(SummedConfig):
    """Config of a peer whose rows enter the federation's convex model through sums of derivatives."""

    participant: ClassVar[str] = "clients.classification.sums.newton.peer:NewtonPeer"
    role: Literal["newton"] = "newton"
    removal: AnyStepped

    @property
    def main(self) -> Convex:
        """The model of the peer's own rows alone."""
        return self.removal.base

    @property
    def model(self) -> str:
        """The model in one line."""
        return in_short(self.removal)
