"""The cell of classification from sums."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from clients.classification.sums.config import SumsConfig
from clients.classification.sums.newton.config import NewtonConfig
from clients.config import PeerConfig
from clients.metrics import Metrics
from clients.unlearning.approximate.certified.spec import CertifiedRemoval
from server.timeline import Arrival, Erasure
from simulator.scenarios.plan import Plan
from simulator.scenarios.resolution import Resolution
from simulator.scenarios.scenario import Scenario
from simulator.tasks.classification.by_class import pooled_problems
from simulator.tasks.classification.pooled import PooledClassification
from simulator.tasks.classification.stored import corrected_in_words, stored_in_words
from simulator.tasks.classification.sums.plan import SumsPlan
from simulator.tasks.classification.sums.resolution import SumsResolution
from simulator.tasks.classification.sums.scenario import Stepped, SumsScenario

if TYPE_CHECKING:
    from server.coordinator import Coordinator
    from simulator.progress import Watch
    from simulator.storage.store import RunStore


class SumsClassification(PooledClassification[SumsScenario, SumsPlan]):
    """Peers send sums over their rows; one model of all rows forgets by subtraction, or by Newton's steps on sums of derivatives."""

    scenario: ClassVar[type[Scenario]] = SumsScenario
    plan: ClassVar[type[Plan]] = SumsPlan
    resolution: ClassVar[type[Resolution[Any]]] = SumsResolution
    takes_rows: ClassVar[bool] = True
    corrects_rows: ClassVar[bool] = True

    def config(self, scenario: SumsScenario, peer: int, **constants: Any) -> SumsConfig | NewtonConfig:
        """Return a peer's config."""
        model = scenario.federation.model
        if isinstance(model, Stepped):
            return NewtonConfig(peer=peer, removal=model, **constants)
        return SumsConfig(peer=peer, main=model, **constants)

    def metrics(self, config: PeerConfig) -> Metrics:
        """Return every metric declared for a run; who asks for sums of derivatives counts the bytes of doing so."""
        found = super().metrics(config)
        if not isinstance(config, NewtonConfig):
            return found
        from server.averaging.contract import REPLAYED

        return Metrics([*found.declared, REPLAYED])

    def coordinator(self, plan: SumsPlan, store: RunStore, watch: Watch) -> Coordinator:
        """Return the server that adds up the sums, resumed from the store's last round."""
        from server.classification.sums.coordinator import Sums
        from server.classification.sums.newton.coordinator import FederatedNewton
        from server.classification.sums.newton.statistics import FederatedStatistics

        config = plan.configs[0]
        if isinstance(config, NewtonConfig):
            table = config.removal
            if isinstance(table, CertifiedRemoval):
                return FederatedNewton(config, table, plan.timeline, store, plan.scenario.federation.colluding)
            return FederatedStatistics(config, table, plan.timeline, store)
        growing = {one.peer for one in plan.timeline.arrivals()}
        growing |= {one.peer for one in plan.timeline.erasures if one.correction is not None}
        return Sums(config, store, len(plan.timeline.rounds), growing)

    def method(self, plan: SumsPlan, erasure: Erasure) -> tuple[str, str]:
        """Return the method of an erasure, and its guarantee."""
        model = plan.scenario.federation.model
        return (model.tag, model.claim) if isinstance(model, Stepped) else ("subtract", "exact")

    def arrival(self, plan: SumsPlan, arrival: Arrival) -> tuple[str, str, str]:
        """Return how a peer takes in rows, what is guaranteed, and no note."""
        return "add", "exact", ""

    def methods(self, request: str) -> tuple[str, ...]:
        """Return the one method that an event may name."""
        return ("subtract",)

    def costs(self, plan: SumsPlan) -> Iterator[tuple[str, str]]:
        """Yield each kind of cost of the plan and its amount."""
        erasures = plan.timeline.erasures
        departures = sum(map(plan.timeline.departs, erasures))
        meetings = sum(len(now.present) for now in plan.timeline.rounds)
        yield "messages to peers and back", f"{2 * (meetings + len(plan.timeline.rounds[-1].present)):,}"
        yield "gradient steps", "0"
        corrections = sum(one.correction is not None for one in erasures)
        what = "steps" if isinstance(plan.scenario.federation.model, Stepped) else "subtractions"
        yield what, f"{departures} of peers, {len(erasures) - departures - corrections} of rows" + corrected_in_words(corrections)
        if arrivals := plan.timeline.arrivals():
            yield "additions", f"{sum(len(one.rows) for one in arrivals)} rows that arrive at {len({one.peer for one in arrivals})} peers"
        yield stored_in_words(plan)
        yield "further runs for the audits", str(self.further_runs(plan))

    def problems(self, plan: SumsPlan, store: RunStore) -> Iterator[str]:
        """Yield a line for every peer evaluated on another model than that of the sums in the mailbox."""
        from simulator.tasks.classification.sums import newton, verification

        model = plan.scenario.federation.model
        yield from newton.problems(plan, store) if isinstance(model, Stepped) else verification.problems(plan, store)
        yield from pooled_problems(plan, store)
