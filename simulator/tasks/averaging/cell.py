"""Common base of the cells whose server averages what peers learned, whatever the task."""

from __future__ import annotations

from typing import TypeVar

from server.averaging.methods import able, method_of
from server.timeline import Erasure
from simulator.scenarios.plan import Plan
from simulator.scenarios.scenario import Scenario
from simulator.tasks.contract import Cell

S = TypeVar("S", bound=Scenario)
P = TypeVar("P", bound=Plan)


class AveragingCell(Cell[S, P]):
    """Peers train one model; a server averages it by FedAvg, FedProx or FedAdam, and carries out requests by the methods for averages."""

    def method(self, plan: P, erasure: Erasure) -> tuple[str, str]:
        """Return the method of an erasure, and its guarantee."""
        method = method_of(erasure)
        return method.tag, method.guarantee

    def methods(self, request: str) -> tuple[str, ...]:
        """Return the methods that an event may name."""
        return able(request)
