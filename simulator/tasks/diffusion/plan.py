"""The plan of a scenario of a denoiser."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from clients.compute import Compute
from clients.config import CONFIGS, PeerConfig
from clients.diffusion.config import DenoisingConfig
from server.diffusion.timeline import Attack, ConceptTimeline, Defence
from server.timeline import Erasure
from simulator.scenarios.plan import Plan
from simulator.tasks.diffusion.scenario import Diffusion

if TYPE_CHECKING:
    from server.coordinator import Coordinator
    from simulator.progress import Watch
    from simulator.runs.store import RunStore

    AnyConfig = PeerConfig
else:  # the registry knows its members only at run time
    _specs = [spec for spec in CONFIGS.specs() if issubclass(spec, DenoisingConfig)]
    AnyConfig = _specs[0] if len(_specs) == 1 else Annotated[reduce(or_, _specs), Field(discriminator="role")]


class DiffusionPlan(Plan):
    """A scenario of a denoiser after every random choice has been drawn."""

    scenario: Diffusion
    configs: tuple[AnyConfig, ...]
    returns: tuple[AnyConfig, ...] = ()
    timeline: ConceptTimeline

    def coordinator(self, store: RunStore, watch: Watch) -> Coordinator:
        """Return what the server does beyond relaying mail, taken up where the store ends."""
        return self.scenario.federation.coordinator(self, store, watch)

    def lacking(self, after: int) -> str | None:
        """Return what is still to be computed on CUDA, where there is none: the run was begun elsewhere."""
        config = self.configs[0]
        assert isinstance(config, DenoisingConfig)
        computed: list[tuple[str, Compute]] = [("the run", config.compute)]
        for now in self.timeline.rounds[after:]:
            attacks = [getattr(act.adversary, "revival", None) for act in now.acts if isinstance(act, Attack)]
            computed += [(f"the attack of round {now.round}", settings.arithmetic) for settings in attacks if settings is not None]
        for what, compute in computed:
            try:
                compute.place()
            except ValueError as error:
                return f"{what} was planned elsewhere, with {error} in a new run, or resume this one where there is such a device"
        return None

    def method(self, erasure: Erasure) -> tuple[str, str]:
        """Return the method by which a peer or rows are forgotten, and its guarantee."""
        return self.scenario.federation.forgets("peer" if erasure.kind == "peer" else "rows")  # images have no edges

    def without(self, request: int) -> DiffusionPlan:
        """Return the plan in which what a request names had never been; attacks, which change nothing, are left out."""
        return _unwatched(super().without(request))

    def ignoring_requests(self) -> DiffusionPlan:
        """Return the plan in which no peer and no rows are forgotten; concepts are erased as before, attacks are left out."""
        return _unwatched(super().ignoring_requests())

    @property
    def topology(self) -> str | None:
        """The kind of graph that connects the peers, None where nothing does."""
        topology = self.scenario.topology
        return None if topology is None else str(topology.kind)  # type: ignore[attr-defined]

    def must_equal(self, erasure: Erasure) -> bool:
        """Return whether the erasure claims to be exact: an average honestly does not."""
        return self.method(erasure)[1] == "exact"

    def costs(self) -> Iterator[tuple[str, str]]:
        """Yield what the plan costs: what is spent, and how much of it."""
        from simulator.tasks.diffusion.costs import in_words

        return in_words(self)

    def findings(self, store: RunStore) -> dict[str, Any]:
        """Return what the results say of the model that was trained, what was erased from it, and how it was attacked."""
        from simulator.tasks.diffusion.results import findings

        return findings(self, store)

    def problems(self, store: RunStore) -> Iterator[str]:
        """Yield a line for everything about erased concepts that does not hold when the run is proven again."""
        return self.scenario.federation.problems(self, store)


def _unwatched(plan: Plan) -> DiffusionPlan:
    """Return the plan without attacks."""
    assert isinstance(plan, DiffusionPlan)
    rounds = tuple(
        now.model_copy(update={"acts": tuple(act for act in now.acts if isinstance(act, Defence))}) for now in plan.timeline.rounds
    )
    return plan.model_copy(update={"timeline": plan.timeline.model_copy(update={"rounds": rounds})})
