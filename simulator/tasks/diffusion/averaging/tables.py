"""The ``[federation]`` table of a scenario in which a server averages denoisers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveFloat

from server.aggregation.optimizers import AdamOptimizer, Replace, ServerOptimizer
from server.diffusion.averaging.policies import POLICIES, Mean, PolicySpec
from simulator.tasks.diffusion.tables import FederationTable

if TYPE_CHECKING:
    AnyPolicy = PolicySpec
else:  # the registry knows its members only at run time
    AnyPolicy = POLICIES.union()

Beta = Annotated[float, Field(ge=0, lt=1)]


class Averaged(FederationTable):
    """A server averages what the peers trained: ``policy`` says how entries are folded that some peers have cut away."""

    policy: AnyPolicy = Mean()

    @property
    def pull(self) -> float:
        """Weight of the pull of local training to the global model."""
        return 0.0

    def optimizer(self) -> ServerOptimizer:
        """Return how the server goes from the global model to the next, given the fold of the replies."""
        return Replace()


class FedAvg(Averaged):
    """The server takes the mean of the replies, weighted by rows (McMahan et al., AISTATS 2017)."""

    kind: Literal["fedavg"] = "fedavg"


class FedProx(Averaged):
    """As ``fedavg``; peers are pulled to the global model by ``mu / 2 * ||w - w_global||^2`` (Li et al., MLSys 2020)."""

    kind: Literal["fedprox"] = "fedprox"
    mu: PositiveFloat = 0.01

    @property
    def pull(self) -> float:
        """Weight of the pull of local training to the global model."""
        return self.mu


class FedAdam(Averaged):
    """The server steps towards the mean with Adam (Reddi et al., ICLR 2021), as Flower's strategy of that name does."""

    kind: Literal["fedadam"] = "fedadam"
    eta: PositiveFloat = 0.01
    beta_1: Beta = 0.9
    beta_2: Beta = 0.99
    tau: PositiveFloat = 1e-3

    def optimizer(self) -> ServerOptimizer:
        """Return Adam's step."""
        return AdamOptimizer(self.eta, self.beta_1, self.beta_2, self.tau)
