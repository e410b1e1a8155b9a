"""Distillation of a seed model from a main model on the public reference set."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import PositiveFloat, PositiveInt

from clients.iterations import Iterations
from clients.models.network import Network
from clients.spec import Spec
from clients.streams import Field
from clients.training import Adam, Arrays, Optimizer


class Distillation(Spec):
    """How a seed model is made from a main model on the reference set (``hard`` = labels only).

    Parameters
    ----------
    epochs : int
        Passes over the reference set.
    temperature : float
        Divides the logits of both models; targets are softer above 1.
    batch_size : int
        Rows per gradient step.
    optimizer : Adam or Sgd
        The optimiser.
    targets : {"soft", "hard"}
        Whether the seed learns the main model's probabilities or its labels.
    """

    epochs: Iterations = 20
    temperature: PositiveFloat = 2.0
    batch_size: PositiveInt = 32
    optimizer: Optimizer = Adam()
    targets: Literal["soft", "hard"] = "soft"


def distil(
    seed: Network,
    x: npt.NDArray[np.float32],
    ids: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.floating],
    key: tuple[Field, ...],
    settings: Distillation,
    start: Arrays | None = None,
) -> tuple[Arrays, int]:
    """Return the weights of a seed model that imitates a main model, and the gradient steps taken.

    A pure function of the main model's predictions, the reference set and the key: the seed never sees a private row. Soft targets minimise
    ``mean_x T^2 KL(softmax(log p / T) || softmax(g(x) / T))``, whose gradient is that of the cross-entropy used here (our reading of
    Ye et al. 2023; softened probabilities instead of logits, since a main model may be a forest). Hard targets are ``argmax p`` (ties to
    the lowest class) at temperature 1.

    Parameters
    ----------
    seed : Network
        The common architecture.
    x : float32 array, shape (n, ...)
        The reference set.
    ids : int64 array, shape (n,)
    probabilities : array, shape (n, classes)
        The main model's probabilities ``p`` on ``x``.
    key : tuple
        The same before and after a deletion, so that a seed distilled again equals the one that the counterfactual would send.
    settings : Distillation
    start : dict of str to array, optional
        Public weights to start from; without them, they are drawn by the key.
    """
    if settings.targets == "hard":
        targets, temperature = probabilities.argmax(axis=1), 1.0
    else:
        targets, temperature = soften(probabilities, settings.temperature), settings.temperature
    return seed.train(
        seed.initial((*key, "init")) if start is None else start,
        x,
        targets,
        epochs=range(settings.epochs),
        ids=ids,
        key=key,
        settings=settings,
        temperature=temperature,
    )


def soften(probabilities: npt.NDArray[np.floating], temperature: float) -> npt.NDArray[np.float32]:
    """Return ``softmax(log p / T)``, shape and order of ``p``; classes with probability 0 stay at 0."""
    p = probabilities.astype(np.float64)
    powers = (p / p.max(axis=1, keepdims=True)) ** (1 / temperature)  # the largest is 1: no underflow at low temperatures
    softened: npt.NDArray[np.float32] = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return softened
