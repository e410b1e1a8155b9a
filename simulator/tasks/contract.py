"""The contract of a cell: one object implements one task under one federation kind."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

from clients.config import PeerConfig
from clients.data.rows import Ids
from clients.metrics import Metric, Metrics
from clients.unlearning.general.contract import MethodSpec
from server.ledger import TRAFFIC
from server.timeline import Arrival, Erasure
from simulator.audits.contract import NOTHING, ORIGINAL, RUN, AuditSpec, Branch, Row
from simulator.scenarios.compare import Comparison, NotComparedError
from simulator.scenarios.plan import Plan
from simulator.scenarios.resolution import Resolution
from simulator.scenarios.scenario import Scenario
from simulator.scenarios.tasks import CELLS, name_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from server.coordinator import Coordinator
    from simulator.audits.contract import Branches
    from simulator.progress import Watch
    from simulator.storage.store import RunStore

S = TypeVar("S", bound=Scenario)
P = TypeVar("P", bound=Plan)


class Cell(ABC, Generic[S, P]):
    """Everything that depends on the task and the federation kind.

    A cell has no state: everything that it needs is in the scenario, the plan and the store passed to its methods.
    """

    scenario: ClassVar[type[Scenario]]
    """The schema of scenario files."""
    plan: ClassVar[type[Plan]]
    """The class of plans, which resolved scenarios become."""
    resolution: ClassVar[type[Resolution[Any]]]
    """The class that draws the random choices of a scenario."""
    page: ClassVar[str] = "simulator.report.contract:TaskPage"
    """The cell's own part of the report, as ``"module:name"``; see `simulator.report.contract.TaskPage`."""
    pooled: ClassVar[bool] = False
    """Whether peers predict with one model of all their rows instead of ensembles with their neighbours."""
    takes_rows: ClassVar[bool] = False
    """Whether its peers take in rows that arrive after the start."""
    corrects_rows: ClassVar[bool] = False
    """Whether its peers correct rows."""
    unjudged: ClassVar[Mapping[str, str]] = {}
    """Reasons why some audits cannot judge such federations, by audit, for the results."""
    measured: ClassVar[tuple[Metric, ...]] = ()
    """Metrics of the coordinator in addition to those of the peers, as its class declares them."""

    @abstractmethod
    def config(self, scenario: S, peer: int, **constants: Any) -> PeerConfig:
        """Return a peer's config; ``constants`` are the fields of `PeerConfig` that do not depend on the cell."""

    def coordinator(self, plan: P, store: RunStore, watch: Watch) -> Coordinator:
        """Return the coordinator, resumed from the store's last round."""
        from server.coordinator import Coordinator

        return Coordinator()

    def further_runs(self, plan: P) -> int:
        """Return the number of runs that the audits need in addition: counterfactuals of each request, one that ignores all, and, where
        rows arrive, one in which they arrive before training.
        """
        judging = [spec for name, spec in plan.audit.asked.items() if name not in self.unjudged]
        own = {(one.request, row) for one in plan.timeline.erasures for spec in judging for row in self.compared(plan, spec, one)}
        shared = {row for _, row in own if row == NOTHING}
        return len(shared) + sum(row not in (RUN, NOTHING) for _, row in own) + plan.arrivals_compared

    def compared(self, plan: P, spec: AuditSpec, erasure: Erasure) -> tuple[Row, ...]:
        """Return the runs that an audit of an erasure may examine; an original exists only if the request comes after round 1."""
        erasures = plan.timeline.erasures
        exact = all(self.method(plan, one)[1] == "exact" for one in erasures if one.request == erasure.request)
        return tuple(row for row in spec.rows(exact) if row != ORIGINAL or erasure.round > 1)

    def metrics(self, config: PeerConfig) -> Metrics:
        """Return every metric declared for a run whose peers have such configs."""
        return Metrics([TRAFFIC, *config.metrics, *self.measured])

    def only(self, metric: str, *, of_peer: bool) -> Literal["rounds", "final"] | None:
        """Return whether a metric, of a peer or the federation, is measured in rounds or in the final evaluation alone; None if not."""
        return None

    @abstractmethod
    def method(self, plan: P, erasure: Erasure) -> tuple[str, str]:
        """Return the method of an erasure, which its event names or the cell chooses, and its guarantee."""

    def arrival(self, plan: P, arrival: Arrival) -> tuple[str, str, str]:
        """Return how a peer takes in rows that arrive, what is guaranteed, and a note for the results (empty if none is needed)."""
        raise NotImplementedError

    def methods(self, request: str) -> tuple[str, ...]:
        """Return the methods that an event may name for a request of this kind, by their ``kind`` under ``lethe.methods``.

        A cell with several methods reads the chosen one from ``Erasure.method``. If there are none, the peers' main models determine it.
        """
        return ()

    def branched(self, plan: P, comparison: Comparison, method: MethodSpec) -> P:
        """Return the plan in which a request is carried out by another method; the rounds before it stay the same for every method.

        Raises
        ------
        NotComparedError
            With reason and cure, if this federation cannot carry it out by the method.
        """
        raise NotComparedError(f"methods are not compared in {plan.scenario.cell}: remove [[compare]]")

    def prefix(self, plan: P, comparison: Comparison) -> P:
        """Return the plan of the rounds before a request, in which everything is kept that any of the compared methods needs."""
        return self.branched(plan, comparison, comparison.methods[0]).until(comparison.first - 1)

    def answers(self, plan: P, branch: Branch, peer: int, ids: Ids) -> npt.NDArray[np.float64] | None:
        """Return what a peer predicts for rows by their ids at the end of a run, (n, classes); None if there are no such predictions."""
        return None

    def topology(self, plan: P) -> str | None:
        """Return the kind of graph that connects the peers; None if there is none."""
        topology = getattr(plan.scenario, "topology", None)
        return None if topology is None else str(topology.tag)

    @abstractmethod
    def costs(self, plan: P) -> Iterator[tuple[str, str]]:
        """Yield each kind of cost of a plan and its amount, estimated without training."""

    def lacking(self, plan: P, after: int) -> str | None:
        """Return what this machine lacks for the rounds after ``after``, and the cure; None if nothing."""
        return None

    def line(self, plan: P, store: RunStore, number: int) -> dict[str, Any]:
        """Return what the cell adds to a round's row of the results; it is in no digest."""
        return {}

    def at_end(self, plan: P, store: RunStore) -> None:
        """Write down what is measured once of a run whose rounds and audits are done; it is in no digest."""

    def look(self, plan: P, store: RunStore, erasure: Erasure, branches: Branches) -> None:
        """Write down what is looked at once in the runs that an erasure is compared with; it is in no digest."""

    def findings(self, plan: P, store: RunStore) -> dict[str, Any]:
        """Return the cell's own part of the results."""
        return {}

    def problems(self, plan: P, store: RunStore) -> Iterator[str]:
        """Yield a line for every property of this cell that a finished run violates."""
        return iter(())

    def unchecked(self, plan: P, store: RunStore) -> Iterator[str]:
        """Yield a line for every such property that cannot be checked here."""
        return iter(())

    def remains(self, plan: P) -> Iterator[str]:
        """Yield a line for everything of this cell's own that keeps something of what was forgotten: caches, words in the run directory."""
        return iter(())


@cache
def _made(kind: Callable[[], Cell[Any, Any]]) -> Cell[Any, Any]:
    """Return the shared object of a cell class; cells have no state."""
    return kind()


def _cell(name: str) -> Cell[Any, Any]:
    """Return the cell of this name."""
    make: Callable[[], Cell[Any, Any]] = CELLS.load(name)
    return _made(make)


def cell_of(plan: Plan | Scenario) -> Cell[Any, Any]:
    """Return the cell of a plan, or of a scenario."""
    return _cell(plan.cell if isinstance(plan, Scenario) else plan.scenario.cell)


def plan_of(text: str) -> Plan:
    """Return the plan in this JSON; ``ValueError`` or ``KeyError`` if there is none."""
    return _cell(name_of(json.loads(text)["scenario"])).plan.model_validate_json(text)


def scenarios() -> dict[str, type[Scenario]]:
    """Return the scenario schemas of all cells by name; cells may share a schema."""
    return {name: _cell(name).scenario for name in CELLS.working()}
