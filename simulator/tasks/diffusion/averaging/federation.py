"""The cell of averaged denoisers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from clients.diffusion.averaging.config import AveragedDenoisingConfig
from clients.metrics import Metric
from server.averaging.cohort import Cohorts
from server.averaging.contract import REPLAYED
from server.averaging.history import Keeping
from server.averaging.past import Past
from server.diffusion.metrics import METRICS
from simulator.scenarios.plan import Plan
from simulator.scenarios.resolution import Resolution
from simulator.scenarios.scenario import Scenario
from simulator.tasks.averaging.cell import AveragingCell
from simulator.tasks.averaging.costs import history_in_words, replays_in_words
from simulator.tasks.diffusion.averaging.plan import AveragedDenoisingPlan
from simulator.tasks.diffusion.averaging.resolution import AveragedDenoisingResolution
from simulator.tasks.diffusion.averaging.scenario import AveragedDenoisingScenario
from simulator.tasks.diffusion.costs import feed_forward_parameters, in_words
from simulator.tasks.diffusion.denoising import DenoisingCell

if TYPE_CHECKING:
    from server.coordinator import Coordinator
    from simulator.progress import Watch
    from simulator.storage.store import RunStore


class AveragedDenoising(
    AveragingCell[AveragedDenoisingScenario, AveragedDenoisingPlan], DenoisingCell[AveragedDenoisingScenario, AveragedDenoisingPlan]
):
    """Peers train one denoiser; a server averages it by FedAvg, FedProx or FedAdam."""

    scenario: ClassVar[type[Scenario]] = AveragedDenoisingScenario
    plan: ClassVar[type[Plan]] = AveragedDenoisingPlan
    resolution: ClassVar[type[Resolution[Any]]] = AveragedDenoisingResolution
    measured: ClassVar[tuple[Metric, ...]] = (*METRICS, REPLAYED)

    def refusals(self, scenario: AveragedDenoisingScenario) -> Iterator[tuple[str, str]]:
        """Yield place and reason of a topology, and of settings that do not fit the policy or the history."""
        history = scenario.federation.history
        if history in ("none", "updates"):
            yield "federation.history", f"is {history!r}, but erasures are measured against earlier models: write 'models' or 'all'"
        if scenario.topology is not None:
            yield "topology", f"{scenario.federation.kind} has a server in the middle and no graph: remove the table"
        for i, event in enumerate(scenario.event):
            if getattr(event, "target", None) == "seed":
                yield f"event.{i}.target", f"{scenario.federation.kind} relays no seeds: remove the key, or take hdus"
        yield from self.release_refusals(scenario)

    def config(self, scenario: AveragedDenoisingScenario, peer: int, **constants: Any) -> AveragedDenoisingConfig:
        """Return a peer's config."""
        tables = {name: getattr(scenario, name) for name in ("denoiser", "denoising", "sampling", "judge")}
        federation = scenario.federation
        return AveragedDenoisingConfig(peer=peer, steps=federation.steps, proximal=federation.pull, **constants, **tables)

    def coordinator(self, plan: AveragedDenoisingPlan, store: RunStore, watch: Watch) -> Coordinator:
        """Return the averaging server of a plan, resumed from the store's last round."""
        from server.averaging.contract import Averaged
        from server.diffusion.averaging.coordinator import DenoiserAveraging
        from server.diffusion.release.contract import Setup
        from simulator.tasks.diffusion.backbone import backbone

        config, federation = plan.configs[0], plan.scenario.federation
        public = backbone(config, watch)
        playing = self.playing(plan.scenario, config, public)
        averaged = Averaged(federation.optimizer(), plan.timeline, store, Cohorts(plan.seed), keeping=self.keeping(plan))
        return DenoiserAveraging(Setup(config, public, federation.policy, plan.timeline, playing), averaged)

    def keeping(self, plan: AveragedDenoisingPlan) -> Keeping:
        """Return what is kept of earlier rounds; models always, because attacks are compared with the one before an erasure."""
        return replace(plan.scenario.federation.keeping(plan.timeline), models=True)

    def past(self, plan: AveragedDenoisingPlan) -> Past:
        """Return the plan's rounds as they were run, and as they are without the erased data."""
        return Past(plan.timeline, Cohorts(plan.seed))

    def costs(self, plan: AveragedDenoisingPlan) -> Iterator[tuple[str, str]]:
        """Yield each kind of cost of the plan and its amount."""
        federation, past = plan.scenario.federation, self.past(plan)
        yield from in_words(plan, self.further_runs(plan))
        if plan.scenario.denoising.design != "joint":
            size = 4 * feed_forward_parameters(plan.scenario.denoiser)
            moments = 4 * size if federation.tag == "fedadam" else 0  # two of them, float64
            yield from history_in_words(self.keeping(plan), plan.timeline, past, size, moments)
        yield from replays_in_words(plan.timeline, past)

    def problems(self, plan: AveragedDenoisingPlan, store: RunStore) -> Iterator[str]:
        """Yield a line for every round in which the global model lost a part of its cut, and for everything kept of the erased data."""
        from simulator.tasks.averaging.verification import left_in_history
        from simulator.tasks.diffusion.averaging.verification import problems

        yield from problems(plan, store)
        yield from left_in_history(plan.timeline, self.past(plan), store)
