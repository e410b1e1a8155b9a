"""The ``[federation]`` table of a scenario of averaged denoisers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.diffusion.release.policies import POLICIES, Mean, PolicySpec
from simulator.tasks.averaging import tables
from simulator.tasks.diffusion.tables import FederationTable

if TYPE_CHECKING:
    AnyPolicy = PolicySpec
else:  # the registry knows its members only at run time
    AnyPolicy = POLICIES.union(default="mean")


class Averaged(FederationTable):
    """A server averages the peers' updates; ``policy`` defines how entries that some peers have cut are averaged.

    Parameters
    ----------
    policy : table
        How entries that some peers have cut are averaged.
    """

    policy: AnyPolicy = Mean()


class FedAvg(tables.FedAvg, Averaged):
    """The server takes the mean of the replies, weighted by rows (McMahan et al., AISTATS 2017)."""


class FedProx(tables.FedProx, Averaged):
    """As ``fedavg``, with the proximal term ``mu / 2 * ||w - w_global||^2`` in local training (Li et al., MLSys 2020)."""


class FedAdam(tables.FedAdam, Averaged):
    """The server steps towards the mean with Adam (Reddi et al., ICLR 2021), like Flower's strategy of this name."""
