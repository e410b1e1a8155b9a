"""How far a network has memorised single rows: an estimate over subsets, and proxies that cost next to nothing."""

from __future__ import annotations

from collections.abc import Callable
from math import floor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids, Rows
from clients.models.stacked import Stack
from clients.passes import taken
from clients.streams import Field, order
from clients.unlearning.general.contract import Learning

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Answers = Callable[[Bools], Bools]
"""Trains one model per subset (a row of bool (m, n)) and returns which of all n rows each gets right, bool (m, n)."""


SHARE = 0.7
"""Share of the rows that each network of the estimator has (Feldman and Zhang 2020)."""


class Memorisation(NamedTuple):
    """Estimates of memorisation: how much likelier a row is answered rightly by models that had it.

    Parameters
    ----------
    value, error : float64 array, shape (n,)
        In [-1, 1], and its standard error; NaN where no model, or every one, had the row.
    had, missed : int64 array, shape (n,)
        How many models had the row, and how many did not.
    """

    value: Floats
    error: Floats
    had: npt.NDArray[np.int64]
    missed: npt.NDArray[np.int64]


def subsets(ids: Ids, models: int, share: float, key: tuple[Field, ...]) -> Bools:
    """Return subsets of the rows, drawn by key, bool (models, n), each with that share of them, rounded down."""
    found = np.zeros((models, len(ids)), bool)
    for number in range(models):
        found[number, order(ids, *key, "subset", number)[: floor(round(share * len(ids), 9))]] = True
    return found


def estimate(inside: Bools, right: Bools) -> Memorisation:
    """Return the subset estimator (Feldman and Zhang, NeurIPS 2020) from who had which row and who gets it right, both (models, n)."""
    had, missed = inside.sum(0), (~inside).sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        with_row, without = (right & inside).sum(0) / had, (right & ~inside).sum(0) / missed
        error = np.sqrt(with_row * (1 - with_row) / had + without * (1 - without) / missed)
    return Memorisation(with_row - without, error, had.astype(np.int64), missed.astype(np.int64))


def memorisation(ids: Ids, answers: Answers, models: int, share: float, key: tuple[Field, ...]) -> Memorisation:
    """Return memorisation by models trained on drawn subsets; ``answers`` trains them, in whatever way is fastest."""
    inside = subsets(ids, models, share, key)
    return estimate(inside, answers(inside))


def together(learning: Learning, rows: Rows) -> Answers:
    """Return answers of networks trained as a learning says, all as one stack, which nothing keeps.

    ``StackError`` if such networks cannot be stacked.
    """
    stack, training = Stack(learning.network), learning.training

    def answers(inside: Bools) -> Bools:
        keys = [learning.key] * len(inside)
        weights = stack.initial([(*key, "init") for key in keys])
        for done in range(learning.progress):
            epochs = range(done * training.epochs, (done + 1) * training.epochs)
            taken(len(epochs) * int(inside.sum()))
            weights = stack.train(weights, rows.x, rows.y, members=inside, epochs=epochs, ids=rows.ids, keys=keys, settings=training)
        right: Bools = stack.logits(weights, rows.x).argmax(axis=-1) == rows.y
        return right

    return answers


class Proxies(NamedTuple):
    """Means over the epochs of training, for every row, float64 (n,): low where a row is memorised.

    Parameters
    ----------
    confidence : float64 array
        Probability of the row's class.
    accuracy : float64 array
        Share of the epochs in which the row was right.
    steps : int
        Gradient steps of the training.
    """

    confidence: Floats
    accuracy: Floats
    steps: int


def proxies(learning: Learning, rows: Rows) -> Proxies:
    """Return the proxies of a keyed training, which is made again rather than recorded: no per-row state is kept between requests.

    Each epoch has a fresh optimiser, as a round has: the training is near that of the network, and equal where rounds have one epoch.
    """
    weights, training = learning.initial(), learning.training
    own, right, steps = np.zeros(len(rows)), np.zeros(len(rows)), 0
    settings = {"ids": rows.ids, "key": learning.key, "settings": training}
    epochs = range(learning.progress * training.epochs)
    for epoch in epochs:
        weights, taken = learning.network.train(weights, rows.x, rows.y, epochs=range(epoch, epoch + 1), **settings)  # type: ignore[arg-type]
        answers = learning.network.probabilities(weights, rows.x).astype(np.float64)
        own += answers[np.arange(len(rows)), rows.y]
        right += answers.argmax(1) == rows.y
        steps += taken
    return Proxies(own / max(len(epochs), 1), right / max(len(epochs), 1), steps)
