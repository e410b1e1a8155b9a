"""What a classifying peer of an HDUS federation is told once."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from clients.classification.hdus.distillation import Distillation
from clients.classification.hdus.ensemble import Ensemble
from clients.config import PeerConfig, in_short
from clients.models import MODELS, AnyModel, ModelSpec
from clients.training import Training
from clients.unlearning import UNLEARNERS
from clients.unlearning.contract import UnlearnerSpec

if TYPE_CHECKING:
    AnyMain = UnlearnerSpec | ModelSpec
else:  # the registries know their members only at run time
    AnyMain = UNLEARNERS.union(MODELS)

PLACES = ("global.main", "global.ensemble", "local.main", "local.ensemble")
"""Where a classifying peer measures: test rows as they are, or weighted to its own class mix; its model alone, or with its neighbours."""


class HdusConfig(PeerConfig):
    """Constants of a peer that classifies with its neighbours' seeds."""

    participant: ClassVar[str] = "clients.classification.hdus.peer:Peer"
    places: ClassVar[tuple[str, ...]] = PLACES
    main: AnyMain
    seed: AnyModel
    training: Training
    distillation: Distillation
    ensemble: Ensemble

    @property
    def model(self) -> str:
        """The main model, in one line."""
        return in_short(self.main)

    @property
    def knows_edges(self) -> bool:
        """Whether the peer learns from the edges among its rows, and so can forget them."""
        return isinstance(self.main, UnlearnerSpec) and self.main.unit == "nodes and edges"

    @property
    def sequential(self) -> bool:
        """Whether draws are keyed by how many messages were sent before (a negative control)."""
        return self.training.streams == "sequential"
