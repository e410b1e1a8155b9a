"""Configuration of the averaging server, and the protocol of an update."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy.typing as npt

from clients.metrics import Metric
from server.aggregation.optimizers import ServerOptimizer
from server.averaging.cohort import Cohorts
from server.averaging.history import Keeping
from server.averaging.past import Past
from server.ledger import Ledger
from server.timeline import Timeline

REPLAYED = Metric("bytes_replayed", "sum", "bytes", "lower")
"""Bytes of models sent to peers and back in replayed rounds; recorded by every averaging server."""

Arrays = dict[str, npt.NDArray[Any]]
Weighting = Literal["rows", "equal"]


class Update(Protocol):
    """One peer's decoded update."""

    @property
    def peer(self) -> int:
        """The sender."""

    @property
    def weights(self) -> Arrays:
        """The trained weights by name; empty if the peer did not train."""

    @property
    def count(self) -> int:
        """Number of the peer's training rows."""


@dataclass(frozen=True)
class Averaged:
    """Configuration of the averaging server: optimizer, timeline, ledger, cohorts, weights of updates, and the history it keeps."""

    optimizer: ServerOptimizer
    timeline: Timeline
    ledger: Ledger
    cohorts: Cohorts
    weighting: Weighting = "rows"
    keeping: Keeping = field(default_factory=Keeping)

    @property
    def past(self) -> Past:
        """The rounds as they were run, and as they are without the erased data."""
        return Past(self.timeline, self.cohorts)
