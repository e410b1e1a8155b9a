"""The table of differentially private training."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat

from clients.spec import Spec
from clients.training import Training


class DpSgd(Spec):
    """DP-SGD (Abadi et al., "Deep Learning with Differential Privacy", CCS 2016, algorithm 1).

    A step draws each row by itself with probability ``batch_size`` over the number of rows, shortens the drawn rows' gradients, and adds
    noise to their sum. Networks are in evaluation mode: nothing is dropped, and no statistics are taken over a batch, which would mix rows.

    Parameters
    ----------
    noise : float
        Standard deviation of the noise in each parameter, in units of ``clip``; from 0.001, which hides nothing, to 1e6.
    clip : float
        Largest norm of a row's gradient.
    delta : float
        Probability with which epsilon may not hold; below one over the number of rows.
    epsilon : float, optional
        Budget of a row: who would exceed it by training in a round does not train in it. Without it epsilon is only told.
    """

    noise: Annotated[float, Field(ge=1e-3, le=1e6)] = 1.0
    clip: PositiveFloat = 1.0
    delta: Annotated[float, Field(gt=0, lt=1)] = 1e-5
    epsilon: PositiveFloat | None = None


class LocalTraining(Training):
    """Local training; see `clients.training.Training`.

    Parameters
    ----------
    private : table, optional
        Training by DP-SGD.
    """

    # left out where it is not set: plans from before there was private training keep their hash
    private: DpSgd | None = Field(None, exclude_if=lambda private: private is None)

    def rate(self, rows: int) -> float:
        """Return the probability with which a private step draws each of this many rows, at least one."""
        return min(1.0, self.batch_size / rows)
