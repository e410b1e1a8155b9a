"""The cell of averaged classifiers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from clients.classification.averaging.config import AveragedClassifierConfig
from clients.data.rows import Ids
from clients.metrics import Metric
from clients.privacy.accountant import NEEDED, installed
from clients.unlearning.general.contract import MethodSpec
from server.averaging.cohort import Cohorts
from server.averaging.methods import for_networks
from server.averaging.past import Past
from server.classification.averaging.metrics import METRICS
from simulator.audits.contract import Branch
from simulator.scenarios.compare import Comparison
from simulator.scenarios.plan import Plan
from simulator.scenarios.resolution import Resolution
from simulator.scenarios.scenario import Scenario
from simulator.tasks.averaging.cell import AveragingCell
from simulator.tasks.classification.averaging import comparing, privacy
from simulator.tasks.classification.averaging.costs import in_words
from simulator.tasks.classification.averaging.plan import AveragedPlan
from simulator.tasks.classification.averaging.resolution import AveragedResolution
from simulator.tasks.classification.averaging.scenario import AveragedScenario
from simulator.tasks.classification.by_class import pooled_problems
from simulator.tasks.classification.pooled import PooledClassification
from simulator.tasks.placement import lacking

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from server.coordinator import Coordinator
    from simulator.progress import Watch
    from simulator.storage.store import RunStore


class AveragedClassification(AveragingCell[AveragedScenario, AveragedPlan], PooledClassification[AveragedScenario, AveragedPlan]):
    """Peers train one classifier; a server averages it, by FedAvg, FedProx or FedAdam."""

    scenario: ClassVar[type[Scenario]] = AveragedScenario
    plan: ClassVar[type[Plan]] = AveragedPlan
    resolution: ClassVar[type[Resolution[Any]]] = AveragedResolution
    measured: ClassVar[tuple[Metric, ...]] = METRICS
    corrects_rows: ClassVar[bool] = True

    def config(self, scenario: AveragedScenario, peer: int, **constants: Any) -> AveragedClassifierConfig:
        """Return a peer's config."""
        (main,), pull = scenario.peers.main, scenario.federation.pull
        planted = scenario.peers.backdoor.of(peer) if scenario.peers.backdoor else None
        return AveragedClassifierConfig(peer=peer, main=main, training=scenario.training, proximal=pull, backdoor=planted, **constants)

    def coordinator(self, plan: AveragedPlan, store: RunStore, watch: Watch) -> Coordinator:
        """Return the averaging server of a plan, resumed from the store's last round."""
        from server.averaging.contract import Averaged
        from server.classification.averaging.coordinator import ClassifierAveraging

        table = plan.scenario.federation
        cohorts, keeping = self.past(plan).cohorts, table.keeping(plan.timeline)
        averaged = Averaged(table.optimizer(), plan.timeline, store, cohorts, table.weighting, keeping)
        return ClassifierAveraging(plan.configs[0], averaged)

    def lacking(self, plan: AveragedPlan, after: int) -> str | None:
        """Return an error line if the run was planned for CUDA and there is none, or lacks the accountant of privacy; else None."""
        if plan.scenario.training.private is not None and not installed():
            return f"training.private: {NEEDED}"
        return lacking([("the run", plan.configs[0].compute)])

    def methods(self, request: str) -> tuple[str, ...]:
        """Return the methods that an event may name."""
        return (*super().methods(request), *for_networks(request))

    def past(self, plan: AveragedPlan) -> Past:
        """Return the plan's rounds as they were run, and as they are without the erased data."""
        return Past(plan.timeline, Cohorts(plan.seed, plan.scenario.federation.cohort))

    def branched(self, plan: AveragedPlan, comparison: Comparison, method: MethodSpec) -> AveragedPlan:
        """Return the plan in which the server carries a request out by another method."""
        return comparing.branched(plan, comparison, method, self.past(plan), self.methods)

    def prefix(self, plan: AveragedPlan, comparison: Comparison) -> AveragedPlan:
        """Return the plan of the rounds before a request, whose server keeps what every compared method needs."""
        return comparing.prefix(plan, comparison)

    def answers(self, plan: AveragedPlan, branch: Branch, peer: int, ids: Ids) -> npt.NDArray[np.float64]:
        """Return what the global model predicts for rows by their ids."""
        return comparing.answers(plan, branch, ids)

    def costs(self, plan: AveragedPlan) -> Iterator[tuple[str, str]]:
        """Yield each kind of cost of the plan and its amount."""
        return in_words(plan, self.past(plan), self.further_runs(plan))

    def findings(self, plan: AveragedPlan, store: RunStore) -> dict[str, Any]:
        """Return figures by class, and what private training has spent."""
        return super().findings(plan, store) | privacy.findings(plan, self.past(plan), store)

    def problems(self, plan: AveragedPlan, store: RunStore) -> Iterator[str]:
        """Yield a line for everything kept of the erased data, and for every peer evaluated on another model than the last.

        So are pruned synapses that came back.
        """
        from simulator.tasks.averaging.verification import left_in_history
        from simulator.tasks.classification.averaging.verification import answers, regrown

        yield from left_in_history(plan.timeline, self.past(plan), store)
        yield from answers(plan.configs[0], store)
        yield from regrown(plan.configs[0], plan.timeline, store)
        yield from pooled_problems(plan, store)
        yield from privacy.problems(plan, self.past(plan), store)
