"""Configuration of a peer that trains an averaged language model."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import NonNegativeFloat

from clients.classification.compute import USUAL, ClassifierCompute
from clients.classification.config import ClassifierConfig
from clients.data.rows import Ids
from clients.data.worlds import world_of
from clients.language.metrics import METRICS
from clients.language.network import LanguageNetwork
from clients.language.spec import AnyLanguageModel
from clients.metrics import Metric
from clients.streams import Field
from clients.training import Training
from clients.unlearning.prompts.matching import Hashes
from clients.unlearning.prompts.rules import Rule


class LanguageConfig(ClassifierConfig):
    """Config of a peer of an averaged language model: ``main`` is the global model, ``training`` one round's local work.

    ``proximal`` is the weight of FedProx's proximal term.
    """

    participant: ClassVar[str] = "clients.language.averaging.peer:LanguagePeer"
    places: ClassVar[tuple[str, ...]] = ("global.model", "local.model")
    role: Literal["language"] = "language"
    main: AnyLanguageModel
    training: Training
    proximal: NonNegativeFloat = 0.0
    compute: ClassifierCompute = USUAL

    @property
    def private(self) -> None:
        """None: records are not trained privately."""

    @property
    def model(self) -> str:
        """The language model in one line."""
        return self.main.title

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

    @property
    def hash_key(self) -> tuple[Field, ...]:
        """The key of hashes, which peers share."""
        return self.run_seed, "guards"

    def patterns(self, rule: Rule, ids: Ids) -> Hashes:
        """Return the hashes that a rule keeps of the rows with these ids, uint64 (n, pieces)."""
        from clients import data

        rows, world = data.load(self.data).rows(ids), world_of(self.data)
        return rule.patterns([(world.text(x), world.answers[y]) for x, y in zip(rows.x, rows.y, strict=True)], self.hash_key)
