"""Forget sets of every hardness, and how near methods bring a network to one that was trained without them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import log

import numpy as np
import numpy.typing as npt

from clients import streams
from clients.data import Dataset
from clients.data.idx import Idx
from clients.data.npz import Npz
from clients.data.rows import Ids, Rows
from clients.models.mlp import Mlp
from clients.models.network import Network
from clients.models.stacked import Stack
from clients.training import Arrays
from clients.unlearning.general import METHODS
from clients.unlearning.general.contract import Learning
from clients.unlearning.refine.advisor import Known
from clients.unlearning.refine.entanglement import entanglement, expected
from clients.unlearning.refine.groups import refined
from clients.unlearning.refine.hardness import moments, penultimate
from clients.unlearning.refine.memorisation import SHARE, memorisation, together
from experiments.benchmarks._forget_sets import TRAINING, Case, rows_of

METHODS_ASKED = ("nothing", "finetune", "neggrad_plus", "random_labels", "scrub")
"""Methods among which an advisor chooses."""
PARTS = 10
"""A set is one of so many parts of the rows, ranked by what it is chosen by."""


@dataclass(frozen=True)
class Judged(Known):
    """A forget set: its two factors, and ToW and ToW-MIA by method.

    Parameters
    ----------
    tow_mia : mapping of str to float
    """

    tow_mia: Mapping[str, float]


@dataclass(frozen=True)
class World:
    """A network, and the rows that it learned.

    Parameters
    ----------
    train, test : Rows
    learning : Learning
    models : int
        Networks by which memorisation is estimated.
    """

    train: Rows
    test: Rows
    learning: Learning
    models: int

    @classmethod
    def of(cls, train: Rows, test: Rows, seed: int, models: int) -> World:
        """Return the world of a seed."""
        network = Network(Mlp(hidden=(64,)), train.x.shape[1:], 10)
        return cls(train, test, Learning(network, TRAINING, 1, ("rum", seed)), models)

    @cached_property
    def original(self) -> Arrays:
        """Weights after training on all rows."""
        return self.learning.train(self.learning.initial(), self.train, range(1))[0]

    @cached_property
    def accuracy(self) -> float:
        """Share of the test rows that the network answers rightly."""
        return float((self.learning.network.probabilities(self.original, self.test.x).argmax(1) == self.test.y).mean())

    @cached_property
    def memorised(self) -> npt.NDArray[np.float64]:
        """Memorisation of every row, by networks that are trained as one stack."""
        answers = together(self.learning, self.train)
        return np.nan_to_num(memorisation(self.train.ids, answers, self.models, SHARE, self.learning.key).value)

    def sets(self) -> dict[str, Ids]:
        """Return forget sets, a tenth of the rows each, and one of a fifth with rows of low, middle and high memorisation."""
        ids, key = self.train.ids, self.learning.key
        features = penultimate(self.learning.network, self.original, self.train.x)
        away = np.linalg.norm(features - features.mean(axis=0), axis=1)
        memorised, central = (refined(ids, scores, PARTS, (*key, "sets")) for scores in (self.memorised, away))
        thirds = refined(ids, self.memorised, 15, (*key, "sets"))
        return {
            "least memorised": memorised[0],
            "next to most memorised": memorised[-2],
            "most memorised": memorised[-1],
            "nearest the centre": central[0],
            "furthest from it": central[-1],
            "random": np.sort(ids[streams.order(ids, *key, "random")[: len(ids) // PARTS]]),
            "a class": ids[self.train.y == streams.bottom(1, range(10), *key, "class")[0]],
            "mixed": np.sort(np.concatenate([thirds[0], thirds[7], thirds[14]])),
        }

    def cases(self, sets: Mapping[str, Ids]) -> Iterator[tuple[str, Case]]:
        """Yield every set with networks retrained without it, twice, all of which are trained as one stack."""
        keys = [self.learning.key] * len(sets) + [(*self.learning.key, "again")] * len(sets)
        members = np.stack([~np.isin(self.train.ids, gone) for gone in sets.values()] * 2)
        stack, rows = Stack(self.learning.network), self.train
        start = stack.initial([(*key, "init") for key in keys])
        epochs = range(self.learning.training.epochs)
        found = stack.train(start, rows.x, rows.y, members=members, epochs=epochs, ids=rows.ids, keys=keys, settings=self.learning.training)
        alone = [{name: array[place].copy() for name, array in found.items()} for place in range(len(keys))]
        for place, (name, gone) in enumerate(sets.items()):
            parts = rows.only(gone), rows.without(gone), self.test
            yield name, Case(self.learning, self.original, alone[place], alone[place + len(sets)], *parts, place)

    def judged(self, one: Case) -> Judged:
        """Return a set's factors, and how near to retraining each method comes."""
        forget, retain = (moments(self.learning.network, self.original, rows) for rows in (one.forget, one.retain))
        share = entanglement(forget, retain) / expected(len(one.forget), len(self.train))
        ended = {kind: one.unlearned(METHODS.load(kind).model_validate({"kind": kind})) for kind in METHODS_ASKED}
        tow = {kind: one.measured(weights).tow for kind, weights in ended.items()}
        tow_mia = {kind: one.tow_mia(weights) for kind, weights in ended.items()}
        return Judged(log(share), float(self.memorised[np.isin(self.train.ids, one.forget.ids)].mean()), tow, tow_mia)


def digits(seed: int, models: int) -> World:
    """Return the world of a seed: the half of digits on which no setting was chosen."""
    return World.of(*rows_of("private", seed), seed, models)


@dataclass(frozen=True)
class Images:
    """Images of which the mean of every block of pixels is learned.

    Parameters
    ----------
    name : str
    data : Dataset
        Square images, channels first.
    block : int
        Pixels along a block's side.
    trained, tested : int
        Rows that a network learns, and that it is tested on.
    standardised : bool
        Whether each input is shifted and scaled to mean 0 and deviation 1 over the rows that are learned.
    """

    name: str
    data: Dataset
    block: int
    trained: int
    tested: int
    standardised: bool = False

    def __call__(self, seed: int, models: int) -> World:
        """Return the world of a seed."""
        drawn = streams.order(self.data.ids, "rum", self.name, seed)
        parts = drawn[: self.trained], drawn[self.trained : self.trained + self.tested]
        train, test = (self._small(np.sort(part)) for part in parts)
        if self.standardised:
            mean, deviation = train.x.mean(axis=0), train.x.std(axis=0)
            train, test = (Rows(rows.ids, (rows.x - mean) / deviation, rows.y) for rows in (train, test))
        return World.of(train, test, seed, models)

    def _small(self, ids: Ids) -> Rows:
        rows = self.data.rows(ids)
        count, channels, side, _ = rows.x.shape
        blocks = rows.x.reshape(count, channels, side // self.block, self.block, side // self.block, self.block)
        return Rows(rows.ids, blocks.mean(axis=(3, 5), dtype=np.float32).reshape(count, -1), rows.y)


def mnist(path: str) -> Images:
    """Return MNIST's images as 14 x 14 inputs; ``DataError`` where the path holds none."""
    return Images("mnist", Idx(path=path).load(), block=2, trained=600, tested=400)


def cifar10(path: str) -> Images:
    """Return CIFAR-10's images as 3 x 8 x 8 inputs, standardised; ``DataError`` where the path holds none."""
    return Images("cifar10", Npz(path=path).load(), block=4, trained=3000, tested=1000, standardised=True)
