"""Server optimizers: the next global model from the current one and the mean of the updates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]


class ServerOptimizer:
    """How the server updates the global model; ``memory`` is the optimizer's state between steps, arrays by name."""

    def take(self, number: int, now: Arrays, mean: Arrays, memory: Arrays) -> tuple[dict[str, npt.NDArray[Any]], Arrays]:
        """Return the next global model and the new memory.

        Parameters
        ----------
        number : int
            Number of the round, from 1.
        now, mean : mapping of str to float array
            The global model and the mean of the peers' updates; same names and shapes.
        memory : mapping of str to array
            The memory that the last step returned; empty before the first.
        """
        raise NotImplementedError


class Replace(ServerOptimizer):
    """Replace the global model with the mean, as in FedAvg."""

    def take(self, number: int, now: Arrays, mean: Arrays, memory: Arrays) -> tuple[dict[str, npt.NDArray[Any]], Arrays]:
        """Return the mean."""
        return dict(mean), {}


@dataclass(frozen=True)
class AdamOptimizer(ServerOptimizer):
    """Adam with the difference to the mean as its gradient (FedAdam: Reddi et al., ICLR 2021, algorithm 2).

    The bias is corrected in the step size, as in Flower.
    """

    eta: float
    beta_1: float
    beta_2: float
    tau: float

    def take(self, number: int, now: Arrays, mean: Arrays, memory: Arrays) -> tuple[dict[str, npt.NDArray[Any]], Arrays]:
        """Return the model after one step and its first and second moments, float64."""
        eta = self.eta * np.sqrt(1 - self.beta_2 ** (number + 1.0)) / (1 - self.beta_1 ** (number + 1.0))
        after: dict[str, npt.NDArray[Any]] = {}
        moments: dict[str, npt.NDArray[Any]] = {}
        for name, start in now.items():
            delta = mean[name].astype(np.float64) - start
            first = self.beta_1 * memory.get(f"first/{name}", 0.0) + (1 - self.beta_1) * delta
            second = self.beta_2 * memory.get(f"second/{name}", 0.0) + (1 - self.beta_2) * delta**2
            moments[f"first/{name}"], moments[f"second/{name}"] = first, second
            with np.errstate(over="ignore"):  # the caller looks at the whole model
                after[name] = (start + eta * first / (np.sqrt(second) + self.tau)).astype(start.dtype)
        return after, moments
