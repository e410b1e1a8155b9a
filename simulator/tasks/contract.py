"""The contract of a cell: one object answers for one task under one federation kind."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from clients.config import PeerConfig
from clients.metrics import Metric, Metrics
from server.ledger import TRAFFIC
from server.timeline import Erasure
from simulator.audits.contract import NOTHING, ORIGINAL, RUN, AuditSpec, Row
from simulator.scenarios.plan import Plan
from simulator.scenarios.resolution import Resolution
from simulator.scenarios.scenario import Scenario
from simulator.scenarios.tasks import CELLS, name_of

if TYPE_CHECKING:
    from server.coordinator import Coordinator
    from simulator.progress import Watch
    from simulator.storage.store import RunStore

S = TypeVar("S", bound=Scenario)
P = TypeVar("P", bound=Plan)


class Cell(ABC, Generic[S, P]):
    """What is not the same for every task and federation kind.

    A cell has no state: everything it needs is in the scenario, the plan and the store that it is handed.
    """

    scenario: ClassVar[type[Scenario]]
    """The schema of scenario files."""
    plan: ClassVar[type[Plan]]
    """What a resolved scenario becomes."""
    resolution: ClassVar[type[Resolution[Any]]]
    """What draws the random choices of a scenario."""
    page: ClassVar[str] = "simulator.report.contract:TaskPage"
    """What the report says in the words of this cell, as ``"module:name"``; see `simulator.report.contract.TaskPage`."""
    pooled: ClassVar[bool] = False
    """Whether peers answer with one model of all their rows, where others have ensembles with their neighbours."""
    unjudged: ClassVar[Mapping[str, str]] = {}
    """Why some audits cannot judge such federations, by audit; the results say so."""
    measured: ClassVar[tuple[Metric, ...]] = ()
    """What the coordinator measures beside the peers, as its class declares it."""

    @abstractmethod
    def config(self, scenario: S, peer: int, **constants: Any) -> PeerConfig:
        """Return what a peer is told once; ``constants`` are the fields of `PeerConfig` that no cell decides."""

    def coordinator(self, plan: P, store: RunStore, watch: Watch) -> Coordinator:
        """Return what the server does beyond relaying messages, taken up where the store ends."""
        from server.coordinator import Coordinator

        return Coordinator()

    def further_runs(self, plan: P) -> int:
        """Return how many runs the audits play beside the plan: of each request a counterfactual, and one in which none is met."""
        judging = [spec for name, spec in plan.audit.asked.items() if name not in self.unjudged]
        own = {(one.request, row) for one in plan.timeline.erasures for spec in judging for row in self.compared(plan, spec, one)}
        shared = {row for _, row in own if row == NOTHING}
        return len(shared) + sum(row not in (RUN, NOTHING) for _, row in own)

    def compared(self, plan: P, spec: AuditSpec, erasure: Erasure) -> tuple[Row, ...]:
        """Return the runs that an audit of an erasure may look at; before the first round there was no model yet."""
        erasures = plan.timeline.erasures
        exact = all(self.method(plan, one)[1] == "exact" for one in erasures if one.request == erasure.request)
        return tuple(row for row in spec.rows(exact) if row != ORIGINAL or erasure.round > 1)

    def metrics(self, config: PeerConfig) -> Metrics:
        """Return every metric that is declared for a run whose peers have such configs."""
        return Metrics([TRAFFIC, *config.metrics, *self.measured])

    @abstractmethod
    def method(self, plan: P, erasure: Erasure) -> tuple[str, str]:
        """Return the method by which something is forgotten, the one its event names or else the cell's own, and what that claims."""

    def methods(self, request: str) -> tuple[str, ...]:
        """Return the methods that an event may name for a request of this kind, by their ``kind`` under ``lethe.methods``.

        A cell that carries out more than one reads which from ``Erasure.method``. Without any, peers' main models say how they forget.
        """
        return ()

    def topology(self, plan: P) -> str | None:
        """Return the kind of graph that connects the peers, None where nothing does."""
        topology = getattr(plan.scenario, "topology", None)
        return None if topology is None else str(topology.tag)

    @abstractmethod
    def costs(self, plan: P) -> Iterator[tuple[str, str]]:
        """Yield what a plan costs, told without training: what is spent, and how much of it."""

    def lacking(self, plan: P, after: int) -> str | None:
        """Return what the rounds after this one need that this machine has not, and what to do; None if nothing."""
        return None

    def findings(self, plan: P, store: RunStore) -> dict[str, Any]:
        """Return what the results say beyond what they say of every cell."""
        return {}

    def problems(self, plan: P, store: RunStore) -> Iterator[str]:
        """Yield a line for everything of this cell that does not hold when a run is verified."""
        return iter(())


@cache
def _made(kind: Callable[[], Cell[Any, Any]]) -> Cell[Any, Any]:
    """Return the cell of this class; cells have no state, so that one object serves all."""
    return kind()


def _cell(name: str) -> Cell[Any, Any]:
    """Return the cell of this name."""
    make: Callable[[], Cell[Any, Any]] = CELLS.load(name)
    return _made(make)


def cell_of(plan: Plan | Scenario) -> Cell[Any, Any]:
    """Return the cell of a plan, or of a scenario."""
    return _cell(plan.cell if isinstance(plan, Scenario) else plan.scenario.cell)


def plan_of(text: str) -> Plan:
    """Return the plan that this JSON says; ``ValueError`` or ``KeyError`` if it says none."""
    return _cell(name_of(json.loads(text)["scenario"])).plan.model_validate_json(text)


def scenarios() -> dict[str, type[Scenario]]:
    """Return the schemas of all cells by their names; cells may share one."""
    return {name: _cell(name).scenario for name in CELLS.working()}
