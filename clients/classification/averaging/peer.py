"""A peer that trains the server's classifier on its own rows and sends the result back.

McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", AISTATS 2017; the proximal term is
that of Li et al., "Federated Optimization in Heterogeneous Networks", MLSys 2020.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from clients import data, wire
from clients.averaging.order import Order
from clients.averaging.peer import Arrays, AveragingPeer, arrays
from clients.classification.averaging.config import AveragedClassifierConfig
from clients.classification.hdus.peer import mixed
from clients.participant import Record
from clients.unlearning.contract import Outcome
from clients.unlearning.general.contract import Learning

GLOBAL = "global"
"""Name of the record with the global model; a peer that receives none only has to forget."""


class AveragedClassifierPeer(AveragingPeer):
    """A peer of an averaged classifier; see `AveragingPeer`.

    Attributes
    ----------
    weights : dict of str to float32 array
        The global model as received, and after training the update to send; empty if none was received.
    """

    config: AveragedClassifierConfig

    def receive(self, payload: Mapping[str, Record], now: int) -> None:
        """Store the global model and the order to unlearn, if the message has them, and the round."""
        self.now, self.trained = now, False
        self.order = Order.read(payload)
        self.weights: Arrays = wire.from_bytes(wire.unpack(arrays(payload[GLOBAL]))) if GLOBAL in payload else {}

    def train(self) -> int:
        """Train the global model on the peer's own rows with a fresh optimiser; return the gradient steps.

        Order and noise are keyed by peer, generation and round: the same model in the same round always gives the same bytes. A peer with
        an order does not train.
        """
        if self.order is not None:
            self._measure(self.order)
            return 0
        if not self.weights or not len(self.rows):
            return 0
        config, rows = self.config, self.config.learned(self.rows)
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

    def forget(self, ids: Iterable[int]) -> Outcome:
        """Forget own rows; carry the ordered method out on the global model, if there is an order."""
        gone = np.asarray(sorted(ids), np.int64)
        outcome = super().forget(gone.tolist())
        if self.order is None or self.order.measure:
            return outcome
        key = (*self.stream, "forget", self.now)
        method, totals = self.order.method, self.order.totals
        forget, retain = self.config.learned(gone), self.config.learned(self.rows)
        self.weights, told = method.carry_out(self.weights, self._learning(), forget, retain, key, totals)
        self.trained = True
        return Outcome(told.cost, method.guarantee, notes=told.notes)

    def _measure(self, order: Order) -> None:
        """Measure own rows for a method, instead of training; what is sent are then the sums."""
        if order.measure:
            gone = np.array(order.rows, np.int64)
            forget, retain = self.config.learned(gone), self.config.learned(np.setdiff1d(self.rows, gone))
            self.weights, self.trained = order.method.measure(self.weights, self._learning(), forget, retain), True

    def _learning(self) -> Learning:
        """Return how the global model was trained up to now."""
        config = self.config
        return Learning(config.network, config.training, max(1, self.now - 1), (*self.stream, "local"))

    def sent(self) -> Arrays:
        """Return the trained weights; empty if there was no model to train, or no rows to train on. After an order, what it led to."""
        return self.weights if self.trained else {}

    def evaluate(self) -> tuple[dict[str, float], npt.NDArray[np.float64]]:
        """Return nothing after training; for a global model sent for evaluation, metrics in [0, 1] and predictions on the test rows.

        ``global`` is a metric's mean over the test rows; ``local`` re-weights the classes to the peer's own distribution. The predictions
        are class probabilities, float64 ``(n_test, classes)``.
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
