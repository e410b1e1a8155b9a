"""Peers that train a denoiser each and help each other with seeds; nobody is in the middle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import NonNegativeInt

from clients.config import PeerConfig
from clients.diffusion.hdus.config import HdusDenoisingConfig
from clients.diffusion.hdus.spec import NoiseWeights, SeedDenoiser, SeedDistillation
from clients.diffusion.spec import DenoiserSpec
from simulator.tasks.diffusion.tables import FederationSpec

if TYPE_CHECKING:
    from server.coordinator import Coordinator
    from simulator.progress import Watch
    from simulator.runs.store import RunStore
    from simulator.tasks.diffusion.plan import DiffusionPlan
    from simulator.tasks.diffusion.scenario import Diffusion


class Hdus(FederationSpec):
    """Peers exchange seed denoisers with their neighbours and draw with the weighted mean of all the noises (HDUS; this form is ours).

    Parameters
    ----------
    seed : SeedDenoiser
    distillation : SeedDistillation
    ensemble : NoiseWeights
    judged : int
        Samples of each class that are drawn and judged at every peer after each round, from its ensemble and from its main model alone.
    streams : {"keyed", "sequential"}
        ``"sequential"`` is a negative control: draws depend on how many messages were sent before, and departures are not exact.
    """

    kind: Literal["hdus"] = "hdus"
    seed: SeedDenoiser = SeedDenoiser()
    distillation: SeedDistillation = SeedDistillation()
    ensemble: NoiseWeights = NoiseWeights()
    judged: NonNegativeInt = 2
    streams: Literal["keyed", "sequential"] = "keyed"

    def refusals(self, scenario: Diffusion) -> Iterator[tuple[str, str]]:
        """Yield what needs a server in the middle, a missing graph, and seeds that cannot draw the images."""
        if scenario.topology is None:
            yield "topology", "hdus sends seeds to neighbours, of which there are none without a graph: add the table"
        if wrong := _unfit(self.seed.beside(scenario.denoiser)):
            yield "federation.seed", wrong
        elif self.seed.learns == "feed_forward" and scenario.denoising.design == "joint":
            yield "federation.seed", 'design "joint" has no public backbone that feed-forward weights could stand on: set learns = "all"'
        for i, event in enumerate(scenario.event):
            do = str(getattr(event, "do"))  # noqa: B009  every event has a tag
            if do in ("attack", "defend"):
                yield f"event.{i}", f"{do} is what a server does to an average, hdus has neither: remove the event, or take fedavg"

    def config(self, scenario: Diffusion, peer: int, **constants: Any) -> PeerConfig:
        """Return what a peer is told."""
        tables = {name: getattr(scenario, name) for name in ("denoiser", "denoising", "sampling", "judge")}
        own = {name: getattr(self, name) for name in ("steps", "seed", "distillation", "ensemble", "judged", "streams")}
        return HdusDenoisingConfig(peer=peer, **own, **constants, **tables)

    def coordinator(self, plan: DiffusionPlan, store: RunStore, watch: Watch) -> Coordinator:
        """Return who hands out the public backbones and passes requests on."""
        from simulator.tasks.diffusion.hdus.backbones import neighbourhood

        return neighbourhood(plan, watch)

    def forgets(self, kind: Literal["peer", "rows"]) -> tuple[str, str]:
        """Return the method: a departed peer's seed is dropped, rows are forgotten by training again."""
        return {"peer": "drop_seed", "rows": "retrain"}[kind], "exact"

    def problems(self, plan: DiffusionPlan, store: RunStore) -> Iterator[str]:
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
