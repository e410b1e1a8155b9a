"""A peer that trains the server's classifier on its own rows and sends the result back.

McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", AISTATS 2017; the proximal term is
that of Li et al., "Federated Optimization in Heterogeneous Networks", MLSys 2020.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Self

import numpy as np
import numpy.typing as npt

from clients import data, wire
from clients.averaging.order import Order
from clients.averaging.peer import Arrays, AveragingPeer, arrays
from clients.bookkeeping import SPENT
from clients.classification.averaging.config import AveragedClassifierConfig
from clients.classification.hdus.peer import mixed
from clients.corrections import Correction, Corrections
from clients.data.rows import Rows
from clients.participant import ROWS, Record
from clients.privacy.accountant import EPSILON, OVER_BUDGET, Spent
from clients.privacy.settings import DpSgd
from clients.streams import Field
from clients.unlearning.contract import Cost, Outcome
from clients.unlearning.general.contract import Learning

GLOBAL = "global"
"""Name of the record with the global model; a peer that receives none only has to forget."""


class AveragedClassifierPeer(AveragingPeer):
    """A peer of an averaged classifier; see `AveragingPeer`.

    Attributes
    ----------
    weights : dict of str to float32 array
        The global model as received, and after training the update to send; empty if none was received.
    corrections : Corrections
        What its rows hold otherwise than in the data set.
    spent : Spent
        What private training has spent of its rows' privacy.
    """

    config: AveragedClassifierConfig

    def __init__(self, config: AveragedClassifierConfig, rows: npt.NDArray[np.int64], stream: tuple[Field, ...]) -> None:
        super().__init__(config, rows, stream)
        self.corrections = Corrections().joined(config.corrections)
        self.spent, self._over_budget = Spent(), False

    @classmethod
    def restored(cls, config: AveragedClassifierConfig, main: bytes, stream: tuple[Field, ...] | None = None) -> Self:
        """Return the peer whose main artefact has these bytes (no own update yet)."""
        peer = super().restored(config, main, stream)
        kept = wire.from_bytes(main)
        peer.corrections = peer.corrections.followed_by(Corrections.read(kept))
        if SPENT in kept:
            peer.spent = Spent.read(kept[SPENT])
        return peer

    @property
    def main_blob(self) -> bytes:
        """The main artefact: the ids of the rows, what has been corrected in them, and what private training has spent."""
        spent = {} if self.config.private is None else {SPENT: self.spent.array()}
        return wire.to_bytes({ROWS: self.rows, **self.corrections.of(self.rows).arrays(), **spent})

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
        config, rows = self.config, self._held(self.rows)
        if (private := config.private) is not None:
            return self._train_privately(rows, private)
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

    def _train_privately(self, rows: Rows, private: DpSgd) -> int:
        """Train by DP-SGD, unless that would exceed the budget; return the gradient steps."""
        from clients.privacy.descent import train_privately

        config = self.config
        spent = self.spent.after(config.training.rate(len(rows)), config.training.steps(len(rows)))
        if not spent.within(private):
            self._over_budget, self.weights = True, {}
            return 0
        key, settings = (*self.stream, "local", self.now), config.training
        self.weights, steps = train_privately(
            config.network, self.weights, rows, key=key, settings=settings, private=private, pull=config.proximal
        )
        self.spent, self.trained = spent, True
        return steps

    def _told_of_privacy(self) -> dict[str, float]:
        """Return what private training has spent, and whether this round was one too many; empty if training is not private."""
        if (private := self.config.private) is None:
            return {}
        return {EPSILON.name: self.spent.epsilon(private.noise, private.delta), OVER_BUDGET.name: float(self._over_budget)}

    def forget(self, ids: Iterable[int]) -> Outcome:
        """Forget own rows; carry the ordered method out on the global model, if there is an order."""
        gone = np.asarray(sorted(ids), np.int64)
        outcome = super().forget(gone.tolist())
        return self._carried_out(self.order, self._held(gone)) if self.order is not None and self.order.by_holder else outcome

    def correct(self, corrections: Iterable[Correction]) -> Outcome:
        """Correct own rows; carry the ordered method out, if there is one, which forgets them as they were and retains them as they are."""
        told = tuple(corrections)
        before = self._held(np.intersect1d(self.rows, [row for one in told for row in one.rows]))
        self.corrections = self.corrections.joined(told)
        if self.order is not None and self.order.by_holder and len(before):
            return self._carried_out(self.order, before)
        return Outcome(Cost(), "approximate")

    def _carried_out(self, order: Order, forget: Rows) -> Outcome:
        """Carry an ordered method out on the global model; what is retained are the rows as they are now."""
        method, key = order.method, (*self.stream, "forget", self.now)
        asked = self.weights, self._learning(), forget, self._held(self.rows), key, order.totals
        self.weights, told = method.finite(lambda: method.carry_out(*asked))
        self.trained = True
        return Outcome(told.cost, method.guarantee, notes=told.notes)

    def _held(self, ids: npt.NDArray[np.int64]) -> Rows:
        """Return what it learns of rows by their ids, as they have been corrected."""
        return self.corrections.applied(self.config.learned(ids))

    def _measure(self, order: Order) -> None:
        """Measure own rows for a method, instead of training; what is sent are then the sums.

        Rows to correct count as they were among those to forget, and as they will be among those to retain.
        """
        if order.measure:
            gone, corrections = np.array(order.rows, np.int64), self.corrections.joined(order.corrections)
            wrong = np.intersect1d(self.rows, [row for one in order.corrections for row in one.rows])
            forget = self._held(np.union1d(gone, wrong).astype(np.int64))
            retain = corrections.applied(self.config.learned(np.setdiff1d(self.rows, gone)))
            asked = (self.weights, self._learning(), forget, retain)
            method, self.trained = order.method, True
            self.weights = method.answer(*asked, order.totals) if method.by_server else method.measure(*asked)

    def _learning(self) -> Learning:
        """Return how the global model was trained up to now."""
        config = self.config
        return Learning(config.network, config.training, max(1, self.now - 1), (*self.stream, "local"))

    def sent(self) -> Arrays:
        """Return the trained weights; empty if there was no model to train, or no rows to train on. After an order, what it led to."""
        return self.weights if self.trained else {}

    def evaluate(self) -> tuple[dict[str, float], npt.NDArray[np.float64]]:
        """Return nothing after training; for a global model sent for evaluation, metrics in [0, 1] and predictions on the test rows.

        Private training adds what it has spent. ``global`` is a metric's mean over the test rows; ``local`` re-weights the classes to the
        peer's own distribution. The predictions are class probabilities, float64 ``(n_test, classes)``.
        """
        source, test = data.load(self.config.data), np.asarray(self.config.test, dtype=np.int64)
        if self.trained or not self.weights:
            return self._told_of_privacy(), np.empty((0, source.classes))
        answers = self.config.network.probabilities(self.weights, source.inputs(test)).astype(np.float64)
        counts = np.bincount(self.corrections.applied(source.rows(self.rows)).y, minlength=source.classes).astype(np.int64)
        scores = self._told_of_privacy()
        for metric, values in source.metrics(test, answers).items():
            scores[f"{metric}.global.model"] = float(values.mean())
            scores[f"{metric}.local.model"] = mixed(values, source.classes_of(test), counts)
        return scores, answers
