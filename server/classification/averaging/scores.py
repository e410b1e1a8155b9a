"""How well a global model answers public test rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from clients import data
from clients.data import DatasetSpec
from clients.models.network import Network
from server.averaging.contract import Arrays


class Tested(Protocol):
    """The part of a peer's config that is needed here."""

    @property
    def data(self) -> DatasetSpec:
        """The data set."""

    @property
    def test(self) -> tuple[int, ...]:
        """Ids of the test rows."""

    @property
    def network(self) -> Network:
        """The global model without weights."""


def scores(config: Tested, weights: Arrays) -> Iterator[tuple[str, float]]:
    """Yield the data set's metrics, in [0, 1], and cross-entropy, in nats, of the global model on the test rows, by name."""
    source, test = data.load(config.data), np.asarray(config.test, dtype=np.int64)
    answers = config.network.probabilities(weights, source.inputs(test)).astype(np.float64)
    for metric, values in source.metrics(test, answers).items():
        yield f"{metric}.global.model", float(values.mean())
    own = answers[np.arange(len(test)), source.classes_of(test)]
    yield "loss.global", float(-np.log(np.maximum(own, np.finfo(np.float32).tiny)).mean())
