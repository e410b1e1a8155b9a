"""Denoisers of peers that exchange seed denoisers: what this cell answers for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from clients.diffusion.hdus.config import HdusDenoisingConfig
from clients.diffusion.spec import DenoiserSpec
from server.timeline import Erasure
from simulator.scenarios.plan import Plan
from simulator.scenarios.resolution import Resolution
from simulator.scenarios.scenario import Scenario
from simulator.tasks.diffusion.costs import in_words
from simulator.tasks.diffusion.denoising import DenoisingCell
from simulator.tasks.diffusion.hdus.plan import HdusDenoisingPlan
from simulator.tasks.diffusion.hdus.scenario import HdusDenoisingScenario
from simulator.tasks.diffusion.resolution import DiffusionResolution

if TYPE_CHECKING:
    from server.coordinator import Coordinator
    from simulator.progress import Watch
    from simulator.storage.store import RunStore


class HdusDenoising(DenoisingCell[HdusDenoisingScenario, HdusDenoisingPlan]):
    """Each peer trains its own denoiser; neighbours' seed denoisers help it draw."""

    scenario: ClassVar[type[Scenario]] = HdusDenoisingScenario
    plan: ClassVar[type[Plan]] = HdusDenoisingPlan
    resolution: ClassVar[type[Resolution[Any]]] = DiffusionResolution

    def refusals(self, scenario: HdusDenoisingScenario) -> Iterator[tuple[str, str]]:
        """Yield a missing graph, seeds that cannot draw the images, and what needs an average."""
        seed = scenario.federation.seed
        if scenario.topology is None:
            yield "topology", "hdus sends seeds to neighbours, of which there are none without a graph: add the table"
        if wrong := _unfit(seed.beside(scenario.denoiser)):
            yield "federation.seed", wrong
        elif seed.learns == "feed_forward" and scenario.denoising.design == "joint":
            yield "federation.seed", 'design "joint" has no public backbone that feed-forward weights could stand on: set learns = "all"'
        for i, event in enumerate(scenario.event):
            if event.tag in ("attack", "defend"):
                yield f"event.{i}", f"{event.tag} is what a server does to an average, hdus has neither: remove the event, or take fedavg"

    def config(self, scenario: HdusDenoisingScenario, peer: int, **constants: Any) -> HdusDenoisingConfig:
        """Return what a peer is told once."""
        tables = {name: getattr(scenario, name) for name in ("denoiser", "denoising", "sampling", "judge")}
        own = {name: getattr(scenario.federation, name) for name in ("steps", "seed", "distillation", "ensemble", "judged", "streams")}
        return HdusDenoisingConfig(peer=peer, **own, **constants, **tables)

    def coordinator(self, plan: HdusDenoisingPlan, store: RunStore, watch: Watch) -> Coordinator:
        """Return who hands out the public backbones, trained once or taken from the cache, and passes requests on."""
        from server.diffusion.hdus.coordinator import Neighbourhood
        from simulator.tasks.diffusion.backbone import backbone

        config = plan.configs[0]
        seed = config.model_copy(update={"denoiser": config.seed.beside(config.denoiser)})
        return Neighbourhood(config, backbone(config, watch), backbone(seed, watch), plan.timeline)

    def method(self, plan: HdusDenoisingPlan, erasure: Erasure) -> tuple[str, str]:
        """Return the method: a departed peer's seed is dropped, rows are forgotten by training again."""
        return "drop_seed" if erasure.kind == "peer" else "retrain", "exact"

    def methods(self, request: str) -> tuple[str, ...]:
        """Return the method that an event may name: seeds of leavers are dropped, everything else is up to the main models."""
        return ("drop_seed",) if request == "peer" else ()

    def costs(self, plan: HdusDenoisingPlan) -> Iterator[tuple[str, str]]:
        """Yield what the plan costs: what is spent, and how much of it."""
        meetings = sum(len(now.present) for now in plan.timeline.rounds)
        return in_words(plan, self.further_runs(plan), distillation=meetings * plan.scenario.federation.distillation.steps)

    def problems(self, plan: HdusDenoisingPlan, store: RunStore) -> Iterator[str]:
        """Yield a line for every request to erase a concept that was not carried out, and every cut that has grown over."""
        from simulator.tasks.diffusion.hdus.verification import problems

        return problems(plan, store)


def _unfit(spec: DenoiserSpec) -> str | None:
    """Return why there can be no seed denoiser of this description, or None."""
    if spec.size % 2 ** (len(spec.widths) - 1):
        return f"images of size {spec.size} cannot be halved {len(spec.widths) - 1} times: take fewer widths"
    if unfit := [width for width in spec.widths if width % spec.groups or width % spec.heads]:
        return f"width {unfit[0]} is no multiple of groups = {spec.groups} and heads = {spec.heads}: change it"
    return None
