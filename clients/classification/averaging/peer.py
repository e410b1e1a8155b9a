"""A peer that trains the server's classifier on its own rows and sends the result back.

McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", AISTATS 2017; the pull to the global model is
that of Li et al., "Federated Optimization in Heterogeneous Networks", MLSys 2020.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from clients import data, wire
from clients.averaging.peer import Arrays, AveragingPeer, arrays
from clients.classification.averaging.config import AveragedClassifierConfig
from clients.classification.hdus.peer import mixed
from clients.participant import Record

GLOBAL = "global"
"""Name of the record with the global model; a peer that gets none has only to forget."""


class AveragedClassifierPeer(AveragingPeer):
    """A peer of an averaged classifier; see `AveragingPeer`.

    Attributes
    ----------
    weights : dict of str to float32 array
        The global model as it came, and once trained what is sent; empty where none came.
    """

    config: AveragedClassifierConfig

    def receive(self, payload: Mapping[str, Record], now: int) -> None:
        """Take the global model, where it comes, and note the round."""
        self.now, self.trained = now, False
        self.weights: Arrays = wire.from_bytes(wire.unpack(arrays(payload[GLOBAL]))) if GLOBAL in payload else {}

    def train(self) -> int:
        """Train the global model on own rows with a fresh optimizer; return the gradient steps.

        Order and noise are keyed by peer, generation and round: the same model in the same round gives the same bytes whenever it is asked.
        """
        if not self.weights or not len(self.rows):
            return 0
        config, rows = self.config, data.load(self.config.data).rows(self.rows)
        self.weights, steps = config.network.train(
            self.weights,
            rows.x,
            rows.y,
            epochs=range(config.training.epochs),
            ids=self.rows,
            key=(*self.stream, "local", self.now),
            settings=config.training,
            pull=config.proximal,
        )
        self.trained = True
        return steps

    def sent(self) -> Arrays:
        """Return the trained weights; nothing where there was nothing to train, or to train on."""
        return self.weights if self.trained else {}

    def evaluate(self) -> tuple[dict[str, float], npt.NDArray[np.float64]]:
        """Return nothing after training; of a global model that came to be evaluated, metrics in 0-1 and answers on the test rows.

        ``global`` is a metric's mean over the test rows; ``local`` re-weights the classes to the peer's own mix. The answers are class
        probabilities, float64 ``(n_test, classes)``.
        """
        source, test = data.load(self.config.data), np.asarray(self.config.test, dtype=np.int64)
        if self.trained or not self.weights:
            return {}, np.empty((0, source.classes))
        answers = self.config.network.probabilities(self.weights, source.inputs(test)).astype(np.float64)
        counts = np.bincount(source.classes_of(self.rows), minlength=source.classes).astype(np.int64)
        scores: dict[str, float] = {}
        for metric, values in source.metrics(test, answers).items():
            scores[f"{metric}.global.model"] = float(values.mean())
            scores[f"{metric}.local.model"] = mixed(values, source.classes_of(test), counts)
        return scores, answers
