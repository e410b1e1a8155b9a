"""Denoisers that a server averages: what this cell answers for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from clients.diffusion.averaging.config import AveragedDenoisingConfig
from clients.metrics import Metric
from clients.unlearning.pruning.concept_prune import ConceptPrune
from server.diffusion.averaging.policies import POLICIES
from server.diffusion.metrics import METRICS
from server.timeline import Erasure
from simulator.scenarios.plan import Plan
from simulator.scenarios.resolution import Resolution
from simulator.scenarios.scenario import Scenario
from simulator.tasks.diffusion.averaging.plan import AveragedDenoisingPlan
from simulator.tasks.diffusion.averaging.scenario import AveragedDenoisingScenario
from simulator.tasks.diffusion.costs import in_words
from simulator.tasks.diffusion.denoising import DenoisingCell
from simulator.tasks.diffusion.resolution import DiffusionResolution

if TYPE_CHECKING:
    from server.coordinator import Coordinator
    from simulator.progress import Watch
    from simulator.storage.store import RunStore


class AveragedDenoising(DenoisingCell[AveragedDenoisingScenario, AveragedDenoisingPlan]):
    """A server averages what the peers' denoisers learn, by FedAvg, FedProx or FedAdam."""

    scenario: ClassVar[type[Scenario]] = AveragedDenoisingScenario
    plan: ClassVar[type[Plan]] = AveragedDenoisingPlan
    resolution: ClassVar[type[Resolution[Any]]] = DiffusionResolution
    measured: ClassVar[tuple[Metric, ...]] = METRICS

    def refusals(self, scenario: AveragedDenoisingScenario) -> Iterator[tuple[str, str]]:
        """Yield a graph, and what does not go with the policy."""
        policy = scenario.federation.policy
        if scenario.topology is not None:
            yield "topology", f"{scenario.federation.kind} has a server in the middle and no graph: remove the table"
        for i, event in enumerate(scenario.event):
            method = getattr(event, "method", None)
            if policy.collects_statistics and method is not None and not isinstance(method, ConceptPrune):
                yield f"event.{i}", f"{policy.tag} cuts by the rule of concept_prune, on the server: take that method"
            if event.tag == "defend" and not policy.freezes:
                kinds = ", ".join(kind for kind, policy in POLICIES.working().items() if policy.freezes)
                yield f"event.{i}", f"policy {policy.tag!r} leaves no cut that could be filled: take one of {kinds}"

    def config(self, scenario: AveragedDenoisingScenario, peer: int, **constants: Any) -> AveragedDenoisingConfig:
        """Return what a peer is told once."""
        tables = {name: getattr(scenario, name) for name in ("denoiser", "denoising", "sampling", "judge")}
        federation = scenario.federation
        return AveragedDenoisingConfig(peer=peer, steps=federation.steps, proximal=federation.pull, **constants, **tables)

    def coordinator(self, plan: AveragedDenoisingPlan, store: RunStore, watch: Watch) -> Coordinator:
        """Return the averaging server of a plan, taken up where the store ends."""
        from clients.diffusion.metrics import Budget
        from server.diffusion.averaging.acts import Playing
        from server.diffusion.averaging.coordinator import Averaging, Setup
        from server.diffusion.averaging.curves import Ladder
        from server.diffusion.evaluation import SampleEvaluation
        from simulator.tasks.diffusion.backbone import backbone

        config, wanted, federation = plan.configs[0], plan.scenario.revival, plan.scenario.federation
        public = backbone(config, watch)
        playing = Playing(
            SampleEvaluation(config, public, Budget(wanted.target, wanted.others)),
            Ladder(wanted.noise_levels, wanted.sparsities, wanted.shares, wanted.policies),
        )
        return Averaging(Setup(config, public, federation.policy, federation.optimizer(), plan.timeline, store, playing))

    def method(self, plan: AveragedDenoisingPlan, erasure: Erasure) -> tuple[str, str]:
        """Return the method: no more is sent, but what went into the average stays in it."""
        return "stop_contributing", "approximate"

    def costs(self, plan: AveragedDenoisingPlan) -> Iterator[tuple[str, str]]:
        """Yield what the plan costs: what is spent, and how much of it."""
        return in_words(plan, self.further_runs(plan))

    def problems(self, plan: AveragedDenoisingPlan, store: RunStore) -> Iterator[str]:
        """Yield a line for every round after which the global model has lost a part of its cut."""
        from simulator.tasks.diffusion.averaging.verification import problems

        return problems(plan, store)
