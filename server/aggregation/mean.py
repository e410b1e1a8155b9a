"""Weighted means, summed in a fixed order, so that the result does not depend on which reply came first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.divergence import DivergedError


def weighted_mean(models: Sequence[Mapping[str, npt.NDArray[Any]]], weights: Sequence[float]) -> dict[str, npt.NDArray[Any]]:
    """Return the weighted mean of models, array by array, each in its own dtype (FedAvg: McMahan et al. 2017, algorithm 1).

    Sums run in float64 in the order given, so that the same models in the same order give the same bytes. The caller sorts them by
    peer.

    Parameters
    ----------
    models : sequence of mappings of str to float array
        Same names and shapes in each.
    weights : sequence of float
        One per model, not negative, not all zero; they need not sum to 1. FedAvg takes the peers' numbers of rows.

    Raises
    ------
    ValueError
        If there are no models, the weights are invalid, or the models' shapes differ.
    """
    total = float(sum(weights))
    if len(models) != len(weights) or not total > 0 or min(weights) < 0:
        raise ValueError(f"{len(models)} models with weights {list(weights)}: give each model one weight >= 0, and one weight > 0 in all")
    mean: dict[str, npt.NDArray[Any]] = {}
    for name in models[0]:
        shapes = [model[name].shape if name in model else None for model in models]
        if len(set(shapes)) > 1:
            raise ValueError(f"array {name!r} has shapes {shapes}: average models of one architecture only")
        folded = np.zeros(models[0][name].shape, np.float64)
        for model, weight in zip(models, weights, strict=True):
            folded += model[name].astype(np.float64) * (weight / total)
        mean[name] = folded.astype(models[0][name].dtype)
    return mean


def check_aggregate(number: int, model: Mapping[str, npt.NDArray[Any]]) -> None:
    """Raise ``DivergedError`` if the model after a round has entries that are not finite; peers could only pass them on."""
    for name, array in model.items():
        if not np.isfinite(array).all():
            cure = "lower federation.eta, or the learning rate of peers"
            raise DivergedError(f"round {number}: the global model has diverged, entries of {name!r} are not finite: {cure}")


def misfit(sent: Mapping[str, npt.NDArray[Any]], model: Mapping[str, npt.NDArray[Any]]) -> str | None:
    """Return why weights cannot be averaged into a model, or None: arrays or shapes differ, or entries are not finite."""
    for name, array in model.items():
        if name not in sent:
            return f"has no array {name!r}"
        if sent[name].shape != array.shape:
            return f"array {name!r} has shape {sent[name].shape}, the model's is {array.shape}"
        if not np.isfinite(sent[name]).all():
            return f"array {name!r} has entries that are not finite"
    if unknown := sorted(sent.keys() - model.keys()):
        return f"has an array {unknown[0]!r}, which the model has not"
    return None
