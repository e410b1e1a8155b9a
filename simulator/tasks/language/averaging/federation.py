"""The cell of averaged language models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from clients.data import DataError
from clients.data.worlds import world_of
from clients.language.averaging.config import LanguageConfig
from clients.metrics import Metric
from server.averaging.cohort import Cohorts
from server.averaging.past import Past
from server.classification.averaging.metrics import METRICS
from simulator.scenarios.plan import Plan
from simulator.scenarios.resolution import Resolution
from simulator.scenarios.scenario import Scenario
from simulator.tasks.averaging.cell import AveragingCell
from simulator.tasks.classification.pooled import PooledClassification
from simulator.tasks.language.averaging.costs import in_words
from simulator.tasks.language.averaging.plan import LanguagePlan
from simulator.tasks.language.averaging.resolution import LanguageResolution
from simulator.tasks.language.averaging.scenario import LanguageScenario
from simulator.tasks.language.events import edges
from simulator.tasks.language.neighbours import NEIGHBOURS
from simulator.tasks.placement import lacking

if TYPE_CHECKING:
    from server.coordinator import Coordinator
    from simulator.progress import Watch
    from simulator.storage.store import RunStore


class AveragedLanguage(AveragingCell[LanguageScenario, LanguagePlan], PooledClassification[LanguageScenario, LanguagePlan]):
    """Peers train one language model on their records; a server averages it by FedAvg or FedProx, and keeps a registry of guards."""

    scenario: ClassVar[type[Scenario]] = LanguageScenario
    plan: ClassVar[type[Plan]] = LanguagePlan
    resolution: ClassVar[type[Resolution[Any]]] = LanguageResolution
    page: ClassVar[str] = "simulator.report.language.page:LanguagePage"
    measured: ClassVar[tuple[Metric, ...]] = METRICS
    unjudged: ClassVar[Mapping[str, str]] = {
        **PooledClassification.unjudged,
        "causes": "what a prompt or a guard hides is not told apart from what the weights forgot",
    }

    def config(self, scenario: LanguageScenario, peer: int, **constants: Any) -> LanguageConfig:
        """Return a peer's config."""
        own = {"main": scenario.language, "training": scenario.training, "edge": edges(scenario.event, peer)}
        return LanguageConfig(peer=peer, proximal=scenario.federation.pull, **own, **constants)

    def coordinator(self, plan: LanguagePlan, store: RunStore, watch: Watch) -> Coordinator:
        """Return the averaging server of a plan, resumed from the store's last round."""
        from server.averaging.contract import Averaged
        from server.language.averaging.coordinator import LanguageAveraging
        from simulator.tasks.language.pretraining import pretrained

        table = plan.scenario.federation
        averaged = Averaged(table.optimizer(), plan.served, store, self.past(plan).cohorts, keeping=table.keeping(plan.timeline))
        return LanguageAveraging(plan.configs[0], averaged, pretrained(plan.configs[0], plan.configs[0].main, watch))

    def lacking(self, plan: LanguagePlan, after: int) -> str | None:
        """Return an error line if the run was planned for CUDA and there is none, or for a model that is not here; else None."""
        return self._lost(plan) or lacking([("the run", plan.configs[0].compute)])

    def _lost(self, plan: LanguagePlan) -> str | None:
        """Return an error line if the language model of the plan cannot be made here; else None."""
        try:
            plan.configs[0].main.known(world_of(plan.configs[0].data).vocabulary)
        except DataError as error:
            return f"language: {error}"
        return None

    def methods(self, request: str) -> tuple[str, ...]:
        """Return the methods that an event may name."""
        return (*super().methods(request), *(NEIGHBOURS if request == "rows" else ()))

    def past(self, plan: LanguagePlan) -> Past:
        """Return the plan's rounds as they were run, and as they are without the erased data."""
        return Past(plan.timeline, Cohorts(plan.seed))

    def costs(self, plan: LanguagePlan) -> Iterator[tuple[str, str]]:
        """Yield each kind of cost of the plan and its amount."""
        return in_words(plan, self.past(plan), self.further_runs(plan))

    def findings(self, plan: LanguagePlan, store: RunStore) -> dict[str, Any]:
        """Return the results on memorised records, guards, and prompts."""
        from simulator.tasks.language.averaging.capacity import capacity
        from simulator.tasks.language.results import Asked, findings_of

        asked = Asked(plan, store)
        points = capacity(plan, store, asked.held)
        return {"language": findings_of(asked) | ({"capacity": points} if points else {})}

    def remains(self, plan: LanguagePlan) -> Iterator[str]:
        """Yield a line if words of guards stay in the run directory."""
        return plan.in_clear()

    def problems(self, plan: LanguagePlan, store: RunStore) -> Iterator[str]:
        """Yield a line for everything kept of the erased data, for rules that should not be there, and for other models' answers."""
        from simulator.tasks.averaging.verification import left_in_history
        from simulator.tasks.classification.averaging.verification import answers
        from simulator.tasks.language.averaging.verification import registered

        if lost := self._lost(plan):
            yield lost
            return
        yield from left_in_history(plan.timeline, self.past(plan), store)
        yield from registered(plan, store)
        yield from answers(plan.configs[0], store)
