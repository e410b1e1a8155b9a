"""The part of a cell that resolution needs; see `simulator.tasks.contract.Cell`."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Protocol

from clients.config import PeerConfig
from clients.metrics import Metrics
from clients.unlearning.general.contract import MethodSpec
from simulator.scenarios.compare import Comparison
from simulator.scenarios.plan import Plan


class Resolves(Protocol):
    """The part of a cell that resolution needs."""

    plan: type[Plan]
    takes_rows: ClassVar[bool]
    """Whether peers take in rows that arrive."""
    corrects_rows: ClassVar[bool]
    """Whether peers correct rows."""

    def config(self, scenario: Any, peer: int, **constants: Any) -> PeerConfig:
        """Return a peer's config."""

    def metrics(self, config: PeerConfig) -> Metrics:
        """Return every metric declared for a run whose peers have such configs."""

    def only(self, metric: str, *, of_peer: bool) -> Literal["rounds", "final"] | None:
        """Return whether a metric is measured in rounds or in the final evaluation alone; None if not."""

    def methods(self, request: str) -> tuple[str, ...]:
        """Return the methods that an event may name for a request of this kind."""

    def branched(self, plan: Any, comparison: Comparison, method: MethodSpec) -> Plan:
        """Return the plan in which a request is carried out by another method; ``NotComparedError`` if it cannot be."""
