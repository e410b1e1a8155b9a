"""The cell of classification by neighbourhood ensembles (HDUS)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from clients.classification.hdus.config import HdusConfig
from clients.data.rows import Ids
from clients.models import ModelSpec
from clients.unlearning.contract import UnlearnerSpec
from clients.unlearning.general.contract import MethodSpec
from server.timeline import Arrival, Erasure
from simulator.audits.contract import Branch, Branches
from simulator.scenarios.compare import Comparison
from simulator.scenarios.plan import Plan
from simulator.scenarios.resolution import Resolution
from simulator.scenarios.scenario import Scenario
from simulator.tasks.classification import by_class
from simulator.tasks.classification.hdus import comparing, confidence, firing, mimicry, seeds
from simulator.tasks.classification.hdus.costs import in_words
from simulator.tasks.classification.hdus.devices import simulated
from simulator.tasks.classification.hdus.plan import HdusPlan
from simulator.tasks.classification.hdus.resolution import HdusResolution
from simulator.tasks.classification.hdus.scenario import HdusScenario
from simulator.tasks.contract import Cell
from simulator.tasks.placement import lacking

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from simulator.storage.store import RunStore


_MEASURES = (mimicry, confidence, by_class)
"""What is measured once, at the end of a run."""


class HdusClassification(Cell[HdusScenario, HdusPlan]):
    """Peers classify, each with its main model and its neighbours' seed models; the server only relays messages."""

    scenario: ClassVar[type[Scenario]] = HdusScenario
    plan: ClassVar[type[Plan]] = HdusPlan
    resolution: ClassVar[type[Resolution[Any]]] = HdusResolution
    page: ClassVar[str] = "simulator.report.classification.page:ClassificationPage"
    takes_rows: ClassVar[bool] = True
    corrects_rows: ClassVar[bool] = True

    def config(self, scenario: HdusScenario, peer: int, **constants: Any) -> HdusConfig:
        """Return a peer's config; main models are assigned to peers in turn."""
        mains = scenario.peers.main
        tables = {name: getattr(scenario, name) for name in ("training", "distillation", "ensemble")}
        tables["synthetic"] = scenario.data.synthetic
        return HdusConfig(peer=peer, main=mains[peer % len(mains)], seed=scenario.peers.seed, **constants, **tables)

    def lacking(self, plan: HdusPlan, after: int) -> str | None:
        """Return an error line if the run was planned for CUDA and there is none; else None."""
        return lacking([("the run", plan.configs[0].compute)])

    def method(self, plan: HdusPlan, erasure: Erasure) -> tuple[str, str]:
        """Return the method of an erasure, and its guarantee."""
        if erasure.kind == "peer":
            return "drop_seed", "exact"
        main = plan.configs[erasure.peer].main
        if isinstance(main, ModelSpec):
            return "retrain", "exact"
        assert isinstance(main, UnlearnerSpec)
        if erasure.correction is not None and not main.corrects:
            return "retrain", "exact" if main.guarantee == "exact" else "approximate"
        return main.tag, main.claim

    def arrival(self, plan: HdusPlan, arrival: Arrival) -> tuple[str, str, str]:
        """Return how a peer takes in rows, what is guaranteed, and a note: main models that can add rows do so, others train anew."""
        main = plan.configs[arrival.peer].main
        if isinstance(main, ModelSpec):
            return "retrain", "exact", ""
        guarantee = "exact" if main.guarantee == "exact" else "approximate"
        return ("add", guarantee, main.late) if main.adds else ("retrain", guarantee, "")

    def methods(self, request: str) -> tuple[str, ...]:
        """Return the methods that an event may name: seeds of leavers are dropped; all else depends on the main models."""
        return ("drop_seed",) if request == "peer" else ()

    def branched(self, plan: HdusPlan, comparison: Comparison, method: MethodSpec) -> HdusPlan:
        """Return the plan in which a request is carried out by another method."""
        return comparing.branched(plan, comparison, method, self.methods("peer"))

    def answers(self, plan: HdusPlan, branch: Branch, peer: int, ids: Ids) -> npt.NDArray[np.float64] | None:
        """Return what a peer and its neighbours predict together for rows by their ids."""
        return comparing.answers(branch, peer, ids)

    def line(self, plan: HdusPlan, store: RunStore, number: int) -> dict[str, Any]:
        """Return the simulated seconds of a round and its slowest peer, if the scenario names devices."""
        return simulated(plan, store, number) if plan.scenario.peers.devices else {}

    def at_end(self, plan: HdusPlan, store: RunStore) -> None:
        """Measure how well seeds mimic their main models, how often members of ensembles agree, and answers by class."""
        for key, text in _measured(plan, store).items():
            store.set_meta(key, text)

    def look(self, plan: HdusPlan, store: RunStore, erasure: Erasure, branches: Branches) -> None:
        """Write down spikes and thresholds of a peer whose neurons spike, in the runs beside an erasure."""
        key = f"{firing.KEY}-{erasure.index}"
        if store.meta(key) is None and (seen := firing.look(erasure, branches)) is not None:
            store.set_meta(key, json.dumps(seen))

    def findings(self, plan: HdusPlan, store: RunStore) -> dict[str, Any]:
        """Return how well seeds mimic main models, confidence by agreement with its calibration, figures by class, and spikes."""
        mimicked, counted, classes = (json.loads(store.meta(measure.KEY) or "[]") for measure in _MEASURES)
        found = ({"seeds": mimicked} if mimicked else {}) | confidence.findings(counted) | by_class.findings(classes, plan.labels)
        return found | firing.findings(store, (one.index for one in plan.timeline.erasures))

    def problems(self, plan: HdusPlan, store: RunStore) -> Iterator[str]:
        """Yield a line if seeds do not mimic their main models, or members do not agree, as the run says, and for every stale seed."""
        told = {key: text for key in (measure.KEY for measure in _MEASURES) if (text := store.meta(key)) is not None}
        found = _measured(plan, store) if told else {}
        for key, text in told.items():
            if text != found[key]:
                yield f"run.sqlite: seeds and main models do not answer the test rows as its {key} says"
        yield from seeds.stale(plan, store)

    def unchecked(self, plan: HdusPlan, store: RunStore) -> Iterator[str]:
        """Yield a line if seeds cannot be compared here."""
        yield from seeds.unchecked(plan, store)

    def costs(self, plan: HdusPlan) -> Iterator[tuple[str, str]]:
        """Yield each kind of cost of the plan and its amount."""
        return in_words(plan, self.further_runs(plan))


def _measured(plan: HdusPlan, store: RunStore) -> dict[str, str]:
    """Return, as JSON by key, what is measured on the peers at the end."""
    from simulator.tasks.replica import peers_at_end

    peers = peers_at_end(plan, store)
    return {measure.KEY: json.dumps(measure.measured(peers)) for measure in _MEASURES}
