"""Configuration of a peer that trains an averaged language model."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import NonNegativeFloat

from clients.classification.compute import USUAL, ClassifierCompute
from clients.classification.config import ClassifierConfig
from clients.data.worlds import world_of
from clients.language.metrics import METRICS
from clients.language.network import LanguageNetwork
from clients.language.spec import TransformerSpec
from clients.metrics import Metric
from clients.training import Training


class LanguageConfig(ClassifierConfig):
    """Config of a peer of an averaged language model: ``main`` is the global model, ``training`` one round's local work.

    ``proximal`` is the weight of FedProx's proximal term.
    """

    participant: ClassVar[str] = "clients.language.averaging.peer:LanguagePeer"
    places: ClassVar[tuple[str, ...]] = ("global.model", "local.model")
    role: Literal["language"] = "language"
    main: TransformerSpec
    training: Training
    proximal: NonNegativeFloat = 0.0
    compute: ClassifierCompute = USUAL

    @property
    def model(self) -> str:
        """The language model in one line."""
        return f"{self.main.tag} (layers {self.main.layers}, width {self.main.width})"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Every metric that peers of this role send."""
        return (*super().metrics, *METRICS)

    @property
    def network(self) -> LanguageNetwork:
        """The global model without weights."""
        from clients import data

        source, world = data.load(self.data), world_of(self.data)
        return LanguageNetwork(self.main, source.shape, source.classes, device=self.compute.device, world=world)
