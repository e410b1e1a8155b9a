"""Accuracy of a model's samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clients.diffusion.denoiser import NoisePredictor
from clients.diffusion.judges.svm import Judge
from clients.diffusion.sampling import sample
from clients.diffusion.spec import Axis, NoiseSchedule, Sampling
from clients.streams import Field


@dataclass(frozen=True)
class Scores:
    """Accuracies of samples, in [0, 1].

    Parameters
    ----------
    target : float
        Share of samples that show the target when it is requested; unlearning accuracy is 1 minus this.
    others : float
        Mean over the other values of the same axis (retained accuracy).
    each : dict of int to float
        Accuracy of each value of the axis.
    cross : float or None
        Accuracy on the other axis; None if there is no other.
    shows : tuple of bool
        Whether each sample of the target shows it; equal places in scores of two models, with one key and budget, began as the same noise.
    """

    target: float
    others: float
    each: dict[int, float]
    cross: float | None = None
    shows: tuple[bool, ...] = ()


@dataclass(frozen=True)
class Budget:
    """Number of samples of the target and of each other value."""

    target: int = 60
    others: int = 10


def score(
    denoiser: NoisePredictor,
    judge: Judge,
    target: int,
    key: tuple[Field, ...],
    *,
    axis: Axis = "class",
    cross_judge: Judge | None = None,
    budget: Budget | None = None,
    sampling: Sampling | None = None,
    noise: NoiseSchedule | None = None,
) -> Scores:
    """Return the scores of the model; the same key draws the same start noise for every model.

    ``judge`` names values of the target's axis, ``cross_judge`` those of the other.
    """
    asked, classes, styles = conditions(denoiser, target, axis, budget or Budget())
    pixels = sample(denoiser, classes, key, styles=styles, sampling=sampling, noise=noise)
    right = judge.predict(pixels) == asked
    each = {int(value): float(right[asked == value].mean()) for value in np.unique(asked)}
    rest = [accuracy for value, accuracy in each.items() if value != target]
    cross = None
    if cross_judge is not None and styles is not None:
        cross = float((cross_judge.predict(pixels) == (styles if axis == "class" else classes).numpy()).mean())
    return Scores(each[target], float(np.mean(rest)), each, cross, tuple(right[asked == target].tolist()))


def conditions(denoiser: NoisePredictor, target: int, axis: Axis, budget: Budget) -> tuple[npt.NDArray[np.int64], Tensor, Tensor | None]:
    """Return the requested values of the axis, and class and style ids, each ``(samples,)``; the other axis cycles through its values."""
    classes, styles = denoiser.null
    values = classes if axis == "class" else styles
    asked = np.repeat(np.arange(values), [budget.target if v == target else budget.others for v in range(values)])
    chosen, along = torch.from_numpy(asked), torch.arange(len(asked))
    if axis == "style":
        return asked, along % classes, chosen
    return asked, chosen, along % styles if styles else None
