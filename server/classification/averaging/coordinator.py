"""The averaging server of classifiers (FedAvg: McMahan et al., AISTATS 2017)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord

from clients import data, wire
from clients.averaging.update import COUNT
from clients.classification.averaging.config import AveragedClassifierConfig
from clients.metrics import Metric
from clients.unlearning.general.contract import Learning
from server.averaging.contract import Arrays, Averaged
from server.averaging.coordinator import Averaging
from server.classification.averaging.metrics import METRICS
from server.classification.averaging.scores import scores
from server.ledger import FEDERATION, RoundRecord
from server.timeline import Round


@dataclass(frozen=True)
class ClassifierUpdate:
    """One peer's update: trained weights, empty if it did not train, and its number of training rows."""

    peer: int
    weights: Arrays
    count: int


class ClassifierAveraging(Averaging[ClassifierUpdate]):
    """The averaging server of classifiers; see `Averaging`.

    Parameters
    ----------
    config : AveragedClassifierConfig
        Config of any peer.
    averaged : Averaged
    """

    metrics: ClassVar[tuple[Metric, ...]] = METRICS

    def __init__(self, config: AveragedClassifierConfig, averaged: Averaged) -> None:
        self.config = config
        super().__init__(averaged, config.network.initial((config.run_seed, "global")))

    def read(self, peer: int, blob: bytes) -> ClassifierUpdate:
        """Decode a peer's update."""
        arrays = wire.from_bytes(blob)
        count = int(arrays.pop(COUNT))
        return ClassifierUpdate(peer, arrays, count)

    def payload(self, peer: int, now: Round) -> Mapping[str, ArrayRecord | ConfigRecord]:
        """Return the global model for the cohort and for the final evaluation; peers that only drop rows get none."""
        if peer in self.orders:
            return {**self.records(), **self.orders[peer].records()}
        return self.records() if now.round > len(self.averaged.timeline.rounds) or peer in self.cohort else {}

    def fold(self, number: int, updates: Sequence[ClassifierUpdate]) -> None:
        """Move the global model towards the mean of the updates, and put right what no mean may decide."""
        before = self.weights
        super().fold(number, updates)
        self.weights = self.config.main.merged(self.weights, [before, *(update.weights for update in updates)])

    def replace(self, weights: Arrays) -> None:
        """Set the global model to weights that a method has changed, but for what the last model must hand on."""
        self.weights = self.config.main.merged(dict(weights), [self.weights, weights])

    def learning(self, number: int) -> Learning:
        """Return how the global model was trained before a round."""
        config = self.config
        validation = data.load(config.data).rows(np.array(config.validation, np.int64)) if config.validation else None
        return Learning(config.network, config.training, max(1, number - 1), (config.run_seed, "global"), validation)

    def measure(self, now: Round, updates: Sequence[ClassifierUpdate], record: RoundRecord) -> None:
        """Measure accuracy, in [0, 1], and cross-entropy, in nats, of the global model on the test rows."""
        record.metrics += [(FEDERATION, name, value) for name, value in scores(self.config, self.weights)]
