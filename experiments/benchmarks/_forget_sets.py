"""Digits of which rows or a class must be forgotten, and how near a network is then to one that never had them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal, NamedTuple

import numpy as np
from sklearn.datasets import load_digits

from clients import streams
from clients.data.rows import Rows
from clients.models.mlp import Mlp
from clients.models.network import Network
from clients.training import Adam, Arrays, Training
from clients.unlearning.general.contract import Learning, MethodSpec
from server.audit.differences import total_variation
from server.audit.tug_of_war import Accuracies, tug_of_war, tug_of_war_by_membership, unseen_share

Half = Literal["public", "private"]
Gone = Literal["a class", "5 % of the rows", "20 % of the rows"]
GONE: tuple[Gone, ...] = ("a class", "5 % of the rows")
_SHARES: dict[Gone, int] = {"5 % of the rows": 20, "20 % of the rows": 5}

TRAINING = Training(epochs=30, batch_size=32, optimizer=Adam(lr=3e-3))
NETWORK = Network(Mlp(hidden=(64,)), (64,), 10)


class Measured(NamedTuple):
    """How far a network is from the retrained one on the rows to forget, and its accuracies.

    Parameters
    ----------
    distance : float
        Mean total variation distance of the class probabilities, in [0, 1].
    loss : float
        Distance of the mean losses, in nats.
    tow : float
        `server.audit.tug_of_war.tug_of_war`.
    forget, retain, test : float
        Accuracies, in [0, 1].
    """

    distance: float
    loss: float
    tow: float
    forget: float
    retain: float
    test: float


@dataclass(frozen=True)
class Case:
    """A network, rows to forget, rows to retain and test rows, and the networks retrained without the rows to forget.

    Parameters
    ----------
    learning : Learning
    original, retrained, again : mapping of str to array
        Weights; ``again`` was retrained with another key, so that its distance is what training alone varies.
    forget, retain, test : Rows
    seed : int
    """

    learning: Learning
    original: Arrays
    retrained: Arrays
    again: Arrays
    forget: Rows
    retain: Rows
    test: Rows
    seed: int

    def unlearned(self, method: MethodSpec) -> Arrays:
        """Return the weights after a method."""
        return method.apply(self.original, self.learning, self.forget, self.retain, ("forget sets", "request", self.seed))[0]

    def measured(self, weights: Arrays) -> Measured:
        """Return how far weights are from the retrained ones."""
        network = self.learning.network
        ours, theirs = (network.probabilities(one, self.forget.x).astype(np.float64) for one in (weights, self.retrained))
        place = np.arange(len(self.forget)), self.forget.y
        losses = [-np.log(np.maximum(one[place], 1e-30)).mean() for one in (ours, theirs)]
        found, wanted = self._accuracies(weights), self._accuracies(self.retrained)
        distance = total_variation(ours, theirs)
        return Measured(distance, float(abs(losses[0] - losses[1])), tug_of_war(found, wanted), *found)

    def tow_mia(self, weights: Arrays) -> float:
        """Return ToW-MIA: what a membership attack says of the rows to forget in place of their accuracy."""
        found, unseen = self._accuracies(weights), self._unseen(weights)
        return tug_of_war_by_membership(found, self._accuracies(self.retrained), (unseen, self._unseen_by_retrained))

    @cached_property
    def _unseen_by_retrained(self) -> float:
        return self._unseen(self.retrained)

    def _unseen(self, weights: Arrays) -> float:
        """Return the share of the rows to forget that the attack calls unseen; it learns from retained rows drawn by key."""
        order = streams.order(np.arange(len(self.retain)), *self.learning.key, "membership attack")
        network, parts = self.learning.network, (self.forget, self.retain, self.test)
        known = [network.probabilities(weights, one.x)[np.arange(len(one)), one.y] for one in parts]
        return unseen_share(known[0], known[1][order], known[2])

    def _accuracies(self, weights: Arrays) -> Accuracies:
        network, parts = self.learning.network, (self.forget, self.retain, self.test)
        return Accuracies(*(float((network.probabilities(weights, one.x).argmax(1) == one.y).mean()) for one in parts))


@cache
def case(half: Half, gone: Gone, seed: int) -> Case:
    """Return a case of one half of the digits: the public one is deleted by nobody, and settings are chosen on it alone."""
    train, test = rows_of(half, seed)
    if gone == "a class":
        chosen = train.ids[train.y == seed % 10]
    else:
        chosen = np.array(streams.bottom(len(train) // _SHARES[gone], train.ids, "forget sets", "gone", seed))
    forget, retain = train.only(chosen), train.without(chosen)
    learning = Learning(NETWORK, TRAINING, 1, ("forget sets", seed))
    other = Learning(NETWORK, TRAINING, 1, ("forget sets", seed, "again"))
    return Case(learning, _trained(learning, train), _trained(learning, retain), _trained(other, retain), forget, retain, test, seed)


def rows_of(half: Half, seed: int) -> tuple[Rows, Rows]:
    """Return two thirds of a half for training and one for tests, drawn by the seed."""
    source = load_digits()
    ids = np.arange(len(source.target))
    public = streams.uniforms(ids, "forget sets", "public") < 0.5
    mine = ids[public if half == "public" else ~public]
    drawn = mine[streams.order(mine, "forget sets", "split", seed)]
    parts = np.sort(drawn[: 2 * len(drawn) // 3]), np.sort(drawn[2 * len(drawn) // 3 :])
    x, y = (source.data / 16).astype(np.float32), source.target.astype(np.int64)
    train, test = (Rows(part, x[part], y[part]) for part in parts)
    return train, test


def _trained(learning: Learning, rows: Rows) -> Arrays:
    return learning.train(learning.initial(), rows, range(1))[0]
