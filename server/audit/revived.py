"""Disturbances of a stack of networks that can bring back what was pruned or barely moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from clients import streams
from clients.streams import Field

Weights = Mapping[str, npt.NDArray[Any]]


def refilled(weights: Weights, key: tuple[Field, ...]) -> dict[str, npt.NDArray[Any]]:
    """Return weights (networks, ...) in which zeros are normal draws as wide as the rest of their tensor; nothing else changes."""
    found = {}
    for name, array, draws in _drawn(weights, (*key, "refilled")):
        cut = array == 0
        kept = np.where(cut, np.nan, array).reshape(len(array), -1)
        width = np.array([one[~np.isnan(one)].std() if (~np.isnan(one)).any() else 0.0 for one in kept])
        found[name] = np.where(cut, _spread(width, array) * draws, array).astype(array.dtype)
    return found


def noisy(weights: Weights, share: float, key: tuple[Field, ...]) -> dict[str, npt.NDArray[Any]]:
    """Return weights (networks, ...) with normal noise whose standard deviation is a share of that of each tensor of each network."""
    found = {}
    for name, array, draws in _drawn(weights, (*key, "noisy")):
        width = array.reshape(len(array), -1).std(axis=1)
        found[name] = (array + share * _spread(width, array) * draws).astype(array.dtype)
    return found


def _drawn(weights: Weights, key: tuple[Field, ...]) -> list[tuple[str, npt.NDArray[Any], npt.NDArray[np.float64]]]:
    return [(name, array, streams.generator(*key, name).standard_normal(array.shape)) for name, array in weights.items()]


def _spread(width: npt.NDArray[Any], array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a width for each network in the shape of its weights."""
    return width.reshape(-1, *(1,) * (array.ndim - 1))
