"""How often neurons fire on rows, as sums, and which neurons answer to the rows to forget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

    from clients.models.spikes import SpikingNetwork

Floats = npt.NDArray[np.float64]
Neurons = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Activity:
    """Spikes of every hidden neuron, the neurons of all layers in a row, summed over rows; the sums of several peers add up.

    Parameters
    ----------
    rows, steps : int
        Number of rows, and of time steps of each.
    spikes, squares : float64 arrays, shape (neurons,)
        Sums over rows of the number of spikes, and of its square; whole numbers, so that no order of rows changes a bit.
    """

    rows: int
    steps: int
    spikes: Floats
    squares: Floats

    def __add__(self, other: Activity) -> Activity:
        return Activity(self.rows + other.rows, self.steps, self.spikes + other.spikes, self.squares + other.squares)

    @property
    def rates(self) -> Floats:
        """Mean firing rate of each neuron, in [0, 1], shape (neurons,)."""
        return self.spikes / (self.rows * self.steps)


def activity(module: SpikingNetwork, x: Tensor) -> Activity:
    """Return the activity on inputs (n, ...)."""
    import torch

    with torch.no_grad():
        trains = module.run(x)[1]
    counts = torch.cat([train.sum(0) for train in trains], dim=1).double().cpu().numpy()
    return Activity(len(x), module.steps, counts.sum(0), (counts**2).sum(0))


def relevance(forget: Activity, retain: Activity) -> Floats:
    """Return the correlation of each neuron's spike count with whether a row is to be forgotten, in [-1, 1], shape (neurons,).

    It is 0 for a neuron that fires equally often on every row, for example never.
    """
    both = forget + retain
    spread = both.rows * both.squares - both.spikes**2
    shared = retain.rows * forget.spikes - forget.rows * retain.spikes
    scale = np.sqrt(np.maximum(spread, 0) * (forget.rows * retain.rows))
    found: Floats = np.divide(shared, scale, out=np.zeros_like(shared), where=spread > 0)
    return found


def relevant(correlations: Floats, quantile: float) -> Neurons:
    """Return the neurons whose correlation lies above this quantile, and above 0, shape (neurons,)."""
    return (correlations > np.quantile(correlations, quantile)) & (correlations > 0)
