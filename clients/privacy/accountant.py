"""What private training has spent, by the accountant of Renyi divergences of opacus (Mironov, Talwar, Zhang, 2019, arXiv 1908.10530)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from typing import Self

import numpy as np
import numpy.typing as npt

from clients.metrics import Metric
from clients.privacy.settings import DpSgd

NEEDED = "needs the package opacus, which tells epsilon: pip install 'lethe-federated[private]'"
EPSILON = Metric("epsilon", "max", "nats", "lower")
"""Epsilon of a peer's rows, by everything that it has sent; of the federation, the largest, as nobody else has these rows."""
OVER_BUDGET = Metric("rounds_over_budget", "sum", "rounds", "lower")
"""Rounds in which peers did not train, because of their budget."""


def installed() -> bool:
    """Return whether the accountant is installed."""
    return find_spec("opacus") is not None


@dataclass(frozen=True)
class Spent:
    """The private steps that rows have been through.

    Parameters
    ----------
    steps : mapping of float to int
        Number of steps by the rate at which they drew rows.
    """

    steps: Mapping[float, int] = field(default_factory=dict)

    def after(self, rate: float, steps: int) -> Self:
        """Return what is spent after further steps."""
        return type(self)({**self.steps, rate: self.steps.get(rate, 0) + steps})

    def epsilon(self, noise: float, delta: float) -> float:
        """Return epsilon at this noise multiplier and delta of one row that counts or not; the number of rows is taken as known.

        Raises
        ------
        ModuleNotFoundError
            If the accountant is not installed.
        """
        from opacus.accountants.analysis.rdp import get_privacy_spent

        if not self.steps:
            return 0.0
        orders, divergences = _orders(), sum(steps * _of_one_step(noise, rate) for rate, steps in sorted(self.steps.items()))
        with warnings.catch_warnings():  # where the best order is the first or last that it tries, the bound holds all the same
            warnings.simplefilter("ignore", UserWarning)
            return max(0.0, float(get_privacy_spent(orders=orders, rdp=divergences, delta=delta)[0]))

    def within(self, private: DpSgd) -> bool:
        """Return whether the budget, if there is one, allows what is spent."""
        return private.epsilon is None or self.epsilon(private.noise, private.delta) <= private.epsilon

    def array(self) -> npt.NDArray[np.int64]:
        """Return the bits of the rates, and the numbers of steps, int64 (k, 2), ascending; floats would count as parameters of a model."""
        return np.array([(np.float64(rate).view(np.int64), steps) for rate, steps in sorted(self.steps.items())], np.int64).reshape(-1, 2)

    @classmethod
    def read(cls, array: npt.NDArray[np.int64]) -> Self:
        """Return what is spent of which `array` returned this."""
        return cls({float(rate.view(np.float64)): int(steps) for rate, steps in array})


@lru_cache(maxsize=4096)
def _of_one_step(noise: float, rate: float) -> npt.NDArray[np.float64]:
    """Return the Renyi divergences of one step, by order."""
    from opacus.accountants.analysis.rdp import compute_rdp

    return np.asarray(compute_rdp(q=rate, noise_multiplier=noise, steps=1, orders=_orders()), dtype=np.float64)


def _orders() -> list[float]:
    from opacus.accountants import RDPAccountant

    return list(RDPAccountant.DEFAULT_ALPHAS)
