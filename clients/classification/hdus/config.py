"""Configuration of a classification peer in an HDUS federation."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from clients.classification.compute import USUAL, ClassifierCompute
from clients.classification.config import ClassifierConfig
from clients.classification.hdus.distillation import Distillation
from clients.classification.hdus.ensemble import Ensemble
from clients.data.facts import unset
from clients.data.synthetic import SyntheticReference
from clients.models import MODELS, AnyModel, ModelSpec
from clients.training import Training
from clients.unlearning import UNLEARNERS
from clients.unlearning.contract import UnlearnerSpec
from clients.unlearning.exact.retrain import Retrain

if TYPE_CHECKING:
    AnyMain = UnlearnerSpec | ModelSpec
else:  # the registries know their members only at run time
    AnyMain = UNLEARNERS.union(MODELS)

PLACES = ("global.main", "global.ensemble", "local.main", "local.ensemble")
"""Measurements of a classification peer: on all test rows or weighted by its own class distribution; main model or ensemble."""


class HdusConfig(ClassifierConfig):
    """Config of a peer that classifies with its neighbours' seeds; ``synthetic`` says how reference rows are drawn that are no row ids."""

    participant: ClassVar[str] = "clients.classification.hdus.peer:Peer"
    places: ClassVar[tuple[str, ...]] = PLACES
    main: AnyMain
    seed: AnyModel
    training: Training
    distillation: Distillation
    ensemble: Ensemble
    # an unset key is left out, so that plans from before it existed keep their hash
    synthetic: SyntheticReference | None = Field(None, exclude_if=unset)
    # left out at its default: plans from before classifiers had such a table keep their hash
    compute: ClassifierCompute = Field(USUAL, exclude_if=lambda compute: compute == USUAL)

    @property
    def knows_edges(self) -> bool:
        """Whether the peer learns from the edges among its rows, and can therefore forget them."""
        return isinstance(self.main, UnlearnerSpec) and self.main.unit == "nodes and edges"

    @property
    def sequential(self) -> bool:
        """Whether draws are keyed by the number of messages sent so far (a negative control)."""
        return self.training.streams == "sequential"


def method(config: HdusConfig) -> UnlearnerSpec:
    """Return the spec of a config's main model; a plain model means that it is retrained when rows must be forgotten."""
    spec = config.main
    return Retrain(base=spec) if isinstance(spec, ModelSpec) else spec
