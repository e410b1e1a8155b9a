"""Configuration of a classification peer under federated averaging."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, NonNegativeFloat

from clients.classification.averaging.trigger import Trigger
from clients.classification.compute import USUAL, ClassifierCompute
from clients.classification.config import ClassifierConfig
from clients.data.rows import Ids, Rows
from clients.metrics import Metric
from clients.models import AnyModel
from clients.models.network import Network
from clients.privacy.accountant import EPSILON, OVER_BUDGET
from clients.privacy.settings import DpSgd, LocalTraining


class AveragedClassifierConfig(ClassifierConfig):
    """Config of a classification peer under federated averaging: ``main`` is the global model, ``training`` one round's local work.

    ``proximal`` is the weight of FedProx's proximal term. ``backdoor`` is what the peer plants in its rows.
    """

    participant: ClassVar[str] = "clients.classification.averaging.peer:AveragedClassifierPeer"
    places: ClassVar[tuple[str, ...]] = ("global.model", "local.model")
    role: Literal["averaged_classifier"] = "averaged_classifier"
    main: AnyModel
    training: LocalTraining
    proximal: NonNegativeFloat = 0.0
    # left out at its default: plans from before classifiers had such a table keep their hash
    compute: ClassifierCompute = Field(USUAL, exclude_if=lambda compute: compute == USUAL)

    # left out where nothing is planted: plans from before there were backdoors keep their hash
    backdoor: Trigger | None = Field(None, exclude_if=lambda backdoor: backdoor is None)

    @property
    def private(self) -> DpSgd | None:
        """How it trains privately, if it does."""
        return self.training.private

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Every metric that peers send; in private training also what it has spent."""
        return super().metrics if self.private is None else (*super().metrics, EPSILON, OVER_BUDGET)

    def learned(self, ids: Ids) -> Rows:
        """Return rows as the peer learns them: as they are in the data set, but for what it plants in them."""
        rows = super().learned(ids)
        return rows if self.backdoor is None else self.backdoor.planted(rows, (self.run_seed, self.peer))

    @property
    def network(self) -> Network:
        """The global model without weights."""
        from clients import data

        source = data.load(self.data)
        return Network(self.main, source.shape, source.classes, source.columns, self.compute.device)
