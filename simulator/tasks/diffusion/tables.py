"""How peers that train a denoiser work together: one spec for each ``kind`` of the ``[federation]`` table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from clients.config import PeerConfig
from clients.diffusion.config import AveragedDenoisingConfig
from clients.spec import Registry, Spec
from clients.unlearning.pruning.concept_prune import ConceptPrune
from server.aggregation.optimizers import AdamOptimizer, Replace, ServerOptimizer
from server.diffusion.averaging.policies import POLICIES, Mean, PolicySpec

if TYPE_CHECKING:
    from server.coordinator import Coordinator
    from simulator.progress import Watch
    from simulator.runs.store import RunStore
    from simulator.tasks.diffusion.plan import DiffusionPlan
    from simulator.tasks.diffusion.scenario import Diffusion

    AnyPolicy = PolicySpec
else:  # the registry knows its members only at run time
    AnyPolicy = POLICIES.union()

Beta = Annotated[float, Field(ge=0, lt=1)]


class FederationSpec(Spec):
    """How peers work together; ``steps`` are the gradient steps of a present peer in a round."""

    kind: str
    steps: PositiveInt = 100

    def refusals(self, scenario: Diffusion) -> Iterator[tuple[str, str]]:
        """Yield place and reason of everything in the scenario that does not go with this federation."""
        return iter(())

    def config(self, scenario: Diffusion, peer: int, **constants: Any) -> PeerConfig:
        """Return what a peer is told."""
        raise NotImplementedError

    def coordinator(self, plan: DiffusionPlan, store: RunStore, watch: Watch) -> Coordinator:
        """Return what the server does, taken up where the store ends."""
        raise NotImplementedError

    def forgets(self, kind: Literal["peer", "rows"]) -> tuple[str, str]:
        """Return the method by which a departed peer, or rows, are forgotten, and its guarantee."""
        raise NotImplementedError

    def problems(self, plan: DiffusionPlan, store: RunStore) -> Iterator[str]:
        """Yield a line for everything about erased concepts that does not hold when the run is proven again."""
        raise NotImplementedError


class Averaged(FederationSpec):
    """A server averages what the peers trained: ``policy`` says how entries are folded that some peers have cut away."""

    policy: AnyPolicy = Mean()

    def refusals(self, scenario: Diffusion) -> Iterator[tuple[str, str]]:
        """Yield what needs a graph, and what does not go with the policy."""
        if scenario.topology is not None:
            yield "topology", f"{self.kind} has a server in the middle and no graph: remove the table"
        for i, event in enumerate(scenario.event):
            do = str(getattr(event, "do"))  # noqa: B009  every event has a tag
            if do in ("cut", "link", "refuse"):
                yield f"event.{i}", f"{do} is about seeds of neighbours, which {self.kind} has not: remove the event"
            method = getattr(event, "method", None)
            if self.policy.collects_statistics and method is not None and not isinstance(method, ConceptPrune):
                yield f"event.{i}", f"{self._policy} cuts by the rule of concept_prune, on the server: take that method"
            if do == "defend" and not self.policy.freezes:
                kinds = ", ".join(kind for kind in POLICIES.targets() if POLICIES.load(kind).freezes)
                yield f"event.{i}", f"policy {self._policy!r} leaves no cut that could be filled: take one of {kinds}"

    @property
    def _policy(self) -> str:
        return str(getattr(self.policy, "kind"))  # noqa: B009  every policy has a tag

    def config(self, scenario: Diffusion, peer: int, **constants: Any) -> PeerConfig:
        """Return what a peer is told."""
        tables = {name: getattr(scenario, name) for name in ("denoiser", "denoising", "sampling", "judge")}
        return AveragedDenoisingConfig(peer=peer, steps=self.steps, proximal=self._pull, **constants, **tables)

    @property
    def _pull(self) -> float:
        """Weight of the pull of local training to the global model."""
        return 0.0

    def step(self) -> ServerOptimizer:
        """Return how the server goes from the global model to the next, given the fold of the replies."""
        return Replace()

    def coordinator(self, plan: DiffusionPlan, store: RunStore, watch: Watch) -> Coordinator:
        """Return the averaging server."""
        from simulator.tasks.diffusion.backbone import averaging

        return averaging(self, plan, store, watch)

    def forgets(self, kind: Literal["peer", "rows"]) -> tuple[str, str]:
        """Return the method: no more is sent, but what went into the average stays in it."""
        return "stop_contributing", "approximate"

    def problems(self, plan: DiffusionPlan, store: RunStore) -> Iterator[str]:
        """Yield a line for every round after which the global model has lost a part of its cut."""
        from simulator.tasks.diffusion.averaging.verification import problems

        return problems(plan, store)


class FedAvg(Averaged):
    """The server takes the mean of the replies, weighted by rows (McMahan et al., AISTATS 2017)."""

    kind: Literal["fedavg"] = "fedavg"


class FedProx(Averaged):
    """As ``fedavg``; peers are pulled to the global model by ``mu / 2 * ||w - w_global||^2`` (Li et al., MLSys 2020)."""

    kind: Literal["fedprox"] = "fedprox"
    mu: PositiveFloat = 0.01

    @property
    def _pull(self) -> float:
        return self.mu


class FedAdam(Averaged):
    """The server steps towards the mean with Adam (Reddi et al., ICLR 2021), as Flower's strategy of that name does."""

    kind: Literal["fedadam"] = "fedadam"
    eta: PositiveFloat = 0.01
    beta_1: Beta = 0.9
    beta_2: Beta = 0.99
    tau: PositiveFloat = 1e-3

    def step(self) -> ServerOptimizer:
        """Return Adam's step."""
        return AdamOptimizer(self.eta, self.beta_1, self.beta_2, self.tau)


FEDERATIONS: Registry[FederationSpec] = Registry(
    "lethe.federations",
    {
        "fedadam": "simulator.tasks.diffusion.tables:FedAdam",
        "fedavg": "simulator.tasks.diffusion.tables:FedAvg",
        "fedprox": "simulator.tasks.diffusion.tables:FedProx",
        "hdus": "simulator.tasks.diffusion.hdus.tables:Hdus",
    },
)
