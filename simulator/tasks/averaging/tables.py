"""The ``[federation]`` tables of averaging servers: keys that are independent of the task."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from clients.spec import Spec
from server.aggregation.optimizers import AdamOptimizer, Replace, ServerOptimizer
from server.averaging.history import Choice, Keeping
from server.averaging.methods import method_of
from server.timeline import Timeline

Beta = Annotated[float, Field(ge=0, lt=1)]


class AveragingTable(Spec):
    """How a server updates the global model, and what it keeps of earlier rounds.

    Parameters
    ----------
    history : {"none", "models", "updates", "all"}, optional
        Whether the server keeps every round's model, every update, or both; default: what the methods of the scenario's requests need.
    """

    kind: str
    # an unset key is left out, so that plans from before this key existed keep their hash
    history: Choice | None = Field(None, exclude_if=lambda choice: choice is None)

    @property
    def pull(self) -> float:
        """Weight of the proximal term in local training."""
        return 0.0

    def optimizer(self) -> ServerOptimizer:
        """Return the server optimizer."""
        return Replace()

    def keeping(self, timeline: Timeline) -> Keeping:
        """Return what is kept of earlier rounds."""
        return Keeping.of(self.history, {method_of(one).tag for one in timeline.erasures})


class FedAvg(AveragingTable):
    """The server takes the mean of the replies, weighted by rows (McMahan et al., AISTATS 2017)."""

    kind: Literal["fedavg"] = "fedavg"


class FedProx(AveragingTable):
    """As ``fedavg``, with the proximal term ``mu / 2 * ||w - w_global||^2`` in local training (Li et al., MLSys 2020).

    Parameters
    ----------
    mu : float
        Weight of the proximal term.
    """

    kind: Literal["fedprox"] = "fedprox"
    mu: NonNegativeFloat = 0.01

    @property
    def pull(self) -> float:
        """Weight of the proximal term in local training."""
        return self.mu


class FedAdam(AveragingTable):
    """The server steps towards the mean with Adam (Reddi et al., ICLR 2021), like Flower's strategy of this name.

    Parameters
    ----------
    eta : float
        Learning rate of the server.
    beta_1 : float
        Decay of the mean of updates.
    beta_2 : float
        Decay of the mean of their squares.
    tau : float
        Added to the root of that mean.
    """

    kind: Literal["fedadam"] = "fedadam"
    eta: PositiveFloat = 0.01
    beta_1: Beta = 0.9
    beta_2: Beta = 0.99
    tau: PositiveFloat = 1e-3

    def optimizer(self) -> ServerOptimizer:
        """Return Adam with these settings."""
        return AdamOptimizer(self.eta, self.beta_1, self.beta_2, self.tau)
