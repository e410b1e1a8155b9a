"""The cell of peers that exchange seed language models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from clients.data import DataError
from clients.data.worlds import world_of
from clients.language.hdus.config import HdusLanguageConfig
from clients.unlearning.general.retrain import Retrain
from server.timeline import Arrival, Erasure
from simulator.scenarios.plan import Plan
from simulator.scenarios.resolution import Resolution
from simulator.scenarios.scenario import Scenario
from simulator.tasks.contract import Cell
from simulator.tasks.language.events import edges
from simulator.tasks.language.hdus.costs import in_words
from simulator.tasks.language.hdus.plan import HdusLanguagePlan
from simulator.tasks.language.hdus.resolution import HdusLanguageResolution
from simulator.tasks.language.hdus.scenario import HdusLanguageScenario
from simulator.tasks.language.neighbours import NEIGHBOURS
from simulator.tasks.placement import lacking

if TYPE_CHECKING:
    from server.coordinator import Coordinator
    from simulator.progress import Watch
    from simulator.storage.store import RunStore


class HdusLanguage(Cell[HdusLanguageScenario, HdusLanguagePlan]):
    """Each peer trains its own language model, and answers with the mixture of it and its neighbours' seed models, behind guards."""

    scenario: ClassVar[type[Scenario]] = HdusLanguageScenario
    plan: ClassVar[type[Plan]] = HdusLanguagePlan
    resolution: ClassVar[type[Resolution[Any]]] = HdusLanguageResolution
    page: ClassVar[str] = "simulator.report.language.page:LanguagePage"
    takes_rows: ClassVar[bool] = True
    unjudged: ClassVar[Mapping[str, str]] = {
        "membership_inference": "the attack is on classifiers; what language models know by heart is asked of them after the last round",
        "relearn": "the audit trains seed classifiers again, and these seeds are language models",
        "causes": "what a guard hides is not told apart from what the weights forgot",
    }

    def config(self, scenario: HdusLanguageScenario, peer: int, **constants: Any) -> HdusLanguageConfig:
        """Return a peer's config; main models are assigned to peers in turn."""
        mains = scenario.peers.main
        tables = {name: getattr(scenario, name) for name in ("training", "distillation", "ensemble")}
        tables["edge"] = edges(scenario.event, peer)
        return HdusLanguageConfig(peer=peer, main=mains[peer % len(mains)], seed=scenario.peers.seed, **constants, **tables)

    def coordinator(self, plan: HdusLanguagePlan, store: RunStore, watch: Watch) -> Coordinator:
        """Return the coordinator, which sends out public weights (trained or loaded from the cache) and lists rules."""
        from server.language.hdus.coordinator import GuardedNeighbourhood
        from simulator.tasks.language.hdus.starts import starts

        return GuardedNeighbourhood(starts(plan, watch), plan.served)

    def lacking(self, plan: HdusLanguagePlan, after: int) -> str | None:
        """Return an error line if the run was planned for CUDA and there is none, or for a model that is not here; else None."""
        return _lost(plan) or lacking([("the run", plan.configs[0].compute)])

    def method(self, plan: HdusLanguagePlan, erasure: Erasure) -> tuple[str, str]:
        """Return the method of an erasure and its guarantee: seeds of departed peers are dropped, records forgotten by training again, or
        as the event says.
        """
        if erasure.kind == "peer":
            return "drop_seed", "exact"
        method = erasure.method or Retrain()
        return method.tag, method.guarantee

    def arrival(self, plan: HdusLanguagePlan, arrival: Arrival) -> tuple[str, str, str]:
        """Return how a peer takes in records: its main model is trained again, after which nothing is left of an approximate request."""
        asked = [one for one in plan.timeline.erasures if (one.peer, one.generation) == (arrival.peer, arrival.generation)]
        exact = all(self.method(plan, one)[1] == "exact" for one in asked)
        return "retrain", "exact" if exact else "approximate", ""

    def methods(self, request: str) -> tuple[str, ...]:
        """Return the methods that an event may name: seeds of leavers are dropped; who has the records changes or prompts its model."""
        return {"peer": ("drop_seed",), "rows": ("retrain", *NEIGHBOURS)}.get(request, ())

    def costs(self, plan: HdusLanguagePlan) -> Iterator[tuple[str, str]]:
        """Yield each kind of cost of the plan and its amount."""
        return in_words(plan, self.further_runs(plan))

    def findings(self, plan: HdusLanguagePlan, store: RunStore) -> dict[str, Any]:
        """Return the results on memorised records and guards, and on what neighbours of their owners answer."""
        from simulator.tasks.language.hdus.results import findings

        return findings(plan, store)

    def remains(self, plan: HdusLanguagePlan) -> Iterator[str]:
        """Yield a line if words of guards stay in the run directory."""
        return plan.in_clear()

    def problems(self, plan: HdusLanguagePlan, store: RunStore) -> Iterator[str]:
        """Yield a line for hashes in seeds that should not be there or are missing, and for stale seeds."""
        from simulator.tasks.language.hdus.verification import carried, stale

        if lost := _lost(plan):
            yield lost
            return
        yield from carried(plan, store)
        yield from stale(plan, store)

    def unchecked(self, plan: HdusLanguagePlan, store: RunStore) -> Iterator[str]:
        """Yield a line if seeds cannot be compared here."""
        from simulator.tasks.classification.hdus.seeds import unchecked

        return unchecked(plan, store)


def _lost(plan: HdusLanguagePlan) -> str | None:
    """Return an error line if a language model of the plan cannot be made here; else None."""
    vocabulary = world_of(plan.configs[0].data).vocabulary
    for spec in plan.models:
        try:
            spec.known(vocabulary)
        except DataError as error:
            return f"peers: {error}"
    return None
