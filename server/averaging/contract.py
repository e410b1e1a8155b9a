"""What an averaging server is told, and what it needs of an update."""

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
"""Bytes of models that went to peers and came back when rounds were played again; what every averaging server books."""

Arrays = dict[str, npt.NDArray[Any]]
Weighting = Literal["rows", "equal"]


class Update(Protocol):
    """What one peer sent, read."""

    @property
    def peer(self) -> int:
        """Who sent it."""

    @property
    def weights(self) -> Arrays:
        """Its weights; empty where it did not train."""

    @property
    def count(self) -> int:
        """How many rows it has."""


@dataclass(frozen=True)
class Averaged:
    """What every averaging server is told: how it moves, who takes part, how updates weigh, what happens, what is kept, and where."""

    optimizer: ServerOptimizer
    timeline: Timeline
    ledger: Ledger
    cohorts: Cohorts
    weighting: Weighting = "rows"
    keeping: Keeping = field(default_factory=Keeping)

    @property
    def past(self) -> Past:
        """The rounds, as they were and as they are without what has been erased."""
        return Past(self.timeline, self.cohorts)
