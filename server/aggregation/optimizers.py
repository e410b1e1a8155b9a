"""From the global model and the mean of the replies to the next global model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]


class ServerOptimizer:
    """How the server moves; ``memory`` is what it must remember from one step to the next, arrays by name."""

    def take(self, number: int, now: Arrays, mean: Arrays, memory: Arrays) -> tuple[dict[str, npt.NDArray[Any]], Arrays]:
        """Return the next global model and the new memory.

        Parameters
        ----------
        number : int
            Of the round, from 1.
        now, mean : mapping of str to float array
            The global model, and the mean of the peers' replies, same names and shapes.
        memory : mapping of str to array
            What the last step returned, empty at first.
        """
        raise NotImplementedError


class Replace(ServerOptimizer):
    """The mean is the next model."""

    def take(self, number: int, now: Arrays, mean: Arrays, memory: Arrays) -> tuple[dict[str, npt.NDArray[Any]], Arrays]:
        """Return the mean."""
        return dict(mean), {}


@dataclass(frozen=True)
class AdamOptimizer(ServerOptimizer):
    """Adam on the distance to the mean (FedAdam: Reddi et al., ICLR 2021, algorithm 2), bias-corrected in the step size as in Flower."""

    eta: float
    beta_1: float
    beta_2: float
    tau: float

    def take(self, number: int, now: Arrays, mean: Arrays, memory: Arrays) -> tuple[dict[str, npt.NDArray[Any]], Arrays]:
        """Return the model after one step, and its moments, float64."""
        eta = self.eta * np.sqrt(1 - self.beta_2 ** (number + 1.0)) / (1 - self.beta_1 ** (number + 1.0))
        after: dict[str, npt.NDArray[Any]] = {}
        moments: dict[str, npt.NDArray[Any]] = {}
        for name, start in now.items():
            delta = mean[name].astype(np.float64) - start
            first = self.beta_1 * memory.get(f"first/{name}", 0.0) + (1 - self.beta_1) * delta
            second = self.beta_2 * memory.get(f"second/{name}", 0.0) + (1 - self.beta_2) * delta**2
            moments[f"first/{name}"], moments[f"second/{name}"] = first, second
            after[name] = (start + eta * first / (np.sqrt(second) + self.tau)).astype(start.dtype)
        return after, moments
