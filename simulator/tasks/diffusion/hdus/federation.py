"""The cell of peers that exchange seed denoisers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from clients.config import PeerConfig
from clients.diffusion.hdus.config import HdusDenoisingConfig
from clients.diffusion.hdus.spec import ShardedDenoiser
from clients.diffusion.spec import DenoiserSpec
from clients.metrics import Metrics
from server.diffusion.metrics import RELEASED, SCALE, declared
from server.ledger import TRAFFIC
from server.timeline import Arrival, Erasure
from simulator.scenarios.plan import Plan
from simulator.scenarios.resolution import Resolution
from simulator.scenarios.scenario import Scenario
from simulator.tasks.diffusion.costs import in_words
from simulator.tasks.diffusion.denoising import DenoisingCell
from simulator.tasks.diffusion.hdus.costs import of_main_models, of_release
from simulator.tasks.diffusion.hdus.plan import HdusDenoisingPlan
from simulator.tasks.diffusion.hdus.resolution import HdusDenoisingResolution
from simulator.tasks.diffusion.hdus.scenario import HdusDenoisingScenario

if TYPE_CHECKING:
    from server.coordinator import Coordinator
    from simulator.progress import Watch
    from simulator.storage.store import RunStore


class HdusDenoising(DenoisingCell[HdusDenoisingScenario, HdusDenoisingPlan]):
    """Each peer trains its own denoiser, and samples with its neighbours' seed denoisers."""

    scenario: ClassVar[type[Scenario]] = HdusDenoisingScenario
    plan: ClassVar[type[Plan]] = HdusDenoisingPlan
    resolution: ClassVar[type[Resolution[Any]]] = HdusDenoisingResolution
    takes_rows: ClassVar[bool] = True

    def refusals(self, scenario: HdusDenoisingScenario) -> Iterator[tuple[str, str]]:
        """Yield place and reason of a missing topology, seeds that do not fit the images, and events that need an average."""
        seed = scenario.federation.seed
        if scenario.topology is None:
            yield "topology", "hdus sends seeds to neighbours, of which there are none without a graph: add the table"
        if wrong := _unfit(seed.beside(scenario.denoiser)):
            yield "federation.seed", wrong
        elif seed.learns == "feed_forward" and scenario.denoising.design == "joint":
            yield "federation.seed", 'design "joint" has no public backbone that feed-forward weights could stand on: set learns = "all"'
        if scenario.federation.release is not None:
            yield from self._release_refusals(scenario)
            return
        for i, event in enumerate(scenario.event):
            if event.tag in ("attack", "defend"):
                yield f"event.{i}", f"{event.tag} is what a server does to what it releases, here nothing: add the table federation.release"

    def _release_refusals(self, scenario: HdusDenoisingScenario) -> Iterator[tuple[str, str]]:
        """Yield place and reason of a policy that no server of seeds can follow, and of events that do not fit the policy."""
        policy = scenario.policy
        if policy is not None and policy.collects_statistics:
            yield "federation.release.policy", f"{policy.tag} cuts a model that all peers train, and seeds are one model a peer: take vote"
        yield from self.release_refusals(scenario)

    def config(self, scenario: HdusDenoisingScenario, peer: int, **constants: Any) -> HdusDenoisingConfig:
        """Return a peer's config."""
        mains = scenario.peers.main
        tables = {name: getattr(scenario, name) for name in ("denoiser", "denoising", "sampling", "judge")}
        own = {name: getattr(scenario.federation, name) for name in ("steps", "seed", "distillation", "ensemble", "judged", "streams")}
        own |= {"main": mains[peer % len(mains)], "released": scenario.federation.release is not None}
        return HdusDenoisingConfig(peer=peer, **own, **constants, **tables)

    def coordinator(self, plan: HdusDenoisingPlan, store: RunStore, watch: Watch) -> Coordinator:
        """Return the coordinator, which sends out the public backbones (trained or loaded from the cache) and forwards requests."""
        from server.diffusion.hdus.coordinator import Neighbourhood
        from server.diffusion.hdus.release import Own, ReleasingNeighbourhood
        from server.diffusion.release.contract import Setup
        from simulator.tasks.diffusion.backbone import backbone

        config, release = plan.configs[0], plan.scenario.federation.release
        public = backbone(config, watch)
        start = backbone(config.model_copy(update={"denoiser": config.seed.beside(config.denoiser)}), watch)
        if release is None:
            return Neighbourhood(config, public, start, plan.timeline)
        seed = config.of_seed
        setup = Setup(seed, start, release.policy, plan.timeline, self.playing(plan.scenario, seed, start))
        return ReleasingNeighbourhood(setup, Own(config, public, release.scale, store))

    def metrics(self, config: PeerConfig) -> Metrics:
        """Return every metric declared for a run whose peers have such configs; those of a release if the server makes one."""
        assert isinstance(config, HdusDenoisingConfig)
        own = (*declared(RELEASED), SCALE) if config.released else ()
        return Metrics([TRAFFIC, *config.metrics, *own])

    def method(self, plan: HdusDenoisingPlan, erasure: Erasure) -> tuple[str, str]:
        """Return the method of an erasure and its guarantee: seeds of departed peers are dropped, rows forgotten by the main model."""
        return ("drop_seed" if erasure.kind == "peer" else _training(plan, erasure.peer)), "exact"

    def arrival(self, plan: HdusDenoisingPlan, arrival: Arrival) -> tuple[str, str, str]:
        """Return how a peer takes in images: its denoiser, or the shards of it that they fall into, is trained anew."""
        return _training(plan, arrival.peer), "exact", ""

    def methods(self, request: str) -> tuple[str, ...]:
        """Return the methods that an event may name: seeds of leavers are dropped; all else depends on the main models."""
        return ("drop_seed",) if request == "peer" else ()

    def costs(self, plan: HdusDenoisingPlan) -> Iterator[tuple[str, str]]:
        """Yield each kind of cost of the plan and its amount."""
        meetings = sum(len(now.present) for now in plan.timeline.rounds)
        yield from in_words(plan, self.further_runs(plan), distillation=meetings * plan.scenario.federation.distillation.steps)
        yield from of_main_models(plan)
        yield from of_release(plan)

    def problems(self, plan: HdusDenoisingPlan, store: RunStore) -> Iterator[str]:
        """Yield a line for every concept erasure that was not carried out, every cut that has grown over, and a wrong release."""
        from simulator.tasks.diffusion.hdus.verification import problems, release_problems

        yield from problems(plan, store)
        yield from release_problems(plan, store)


def _training(plan: HdusDenoisingPlan, peer: int) -> str:
    """Return the method by which a peer's main model comes to other images."""
    return "sisa" if isinstance(plan.configs[peer].main, ShardedDenoiser) else "retrain"


def _unfit(spec: DenoiserSpec) -> str | None:
    """Return why a seed denoiser cannot have this architecture, or None if it can."""
    if spec.size % 2 ** (len(spec.widths) - 1):
        return f"images of size {spec.size} cannot be halved {len(spec.widths) - 1} times: take fewer widths"
    if unfit := [width for width in spec.widths if width % spec.groups or width % spec.heads]:
        return f"width {unfit[0]} is no multiple of groups = {spec.groups} and heads = {spec.heads}: change it"
    return None
