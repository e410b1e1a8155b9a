"""Common base of the cells of denoisers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from clients.compute import Compute
from clients.unlearning.pruning.concept_prune import ConceptPrune
from server.diffusion.release.policies import POLICIES
from server.diffusion.timeline import Attack
from simulator.tasks.contract import Cell
from simulator.tasks.diffusion.plan import DiffusionPlan
from simulator.tasks.diffusion.scenario import Diffusion
from simulator.tasks.placement import lacking

if TYPE_CHECKING:
    from clients.diffusion.config import DenoisingConfig
    from server.diffusion.release.acts import Playing
    from simulator.storage.store import RunStore

S = TypeVar("S", bound=Diffusion)
P = TypeVar("P", bound=DiffusionPlan)


class DenoisingCell(Cell[S, P]):
    """Peers train denoisers, from which concepts are erased."""

    page: ClassVar[str] = "simulator.report.diffusion.page:DenoisingPage"
    unjudged: ClassVar[Mapping[str, str]] = {
        "membership_inference": "denoisers predict noise, and no class in whose probability a row could look familiar",
        "relearn": "denoisers are no seed classifiers, whose loss on erased rows is what is learned again",
    }

    @abstractmethod
    def refusals(self, scenario: S) -> Iterator[tuple[str, str]]:
        """Yield place and reason of everything in a scenario that does not fit its federation."""

    def release_refusals(self, scenario: S) -> Iterator[tuple[str, str]]:
        """Yield place and reason of events that do not fit the policy by which a server makes what it releases."""
        policy = scenario.policy
        assert policy is not None
        for i, event in enumerate(scenario.event):
            method = getattr(event, "method", None)
            if policy.collects_statistics and method is not None and not isinstance(method, ConceptPrune):
                yield f"event.{i}", f"{policy.tag} cuts by the rule of concept_prune, on the server: take that method"
            if event.tag == "defend" and not policy.freezes:
                kinds = ", ".join(kind for kind, policy in POLICIES.working().items() if policy.freezes)
                yield f"event.{i}", f"policy {policy.tag!r} leaves no cut that could be filled: take one of {kinds}"

    def playing(self, scenario: S, config: DenoisingConfig, backbone: bytes) -> Playing:
        """Return what carries out the attacks and defences of a scenario, on models with this config and backbone."""
        from clients.diffusion.metrics import Budget
        from server.diffusion.evaluation import SampleEvaluation
        from server.diffusion.release.acts import Playing
        from server.diffusion.release.curves import Ladder

        wanted = scenario.revival
        ladder = Ladder(wanted.noise_levels, wanted.sparsities, wanted.shares, wanted.policies)
        return Playing(SampleEvaluation(config, backbone, Budget(wanted.target, wanted.others)), ladder)

    def lacking(self, plan: P, after: int) -> str | None:
        """Return an error line if later computations need CUDA and there is none, as in a run begun on another machine; else None."""
        computed: list[tuple[str, Compute]] = [("the run", plan.configs[0].compute)]
        for now in plan.timeline.rounds[after:]:
            attacks = [getattr(act.adversary, "revival", None) for act in now.acts if isinstance(act, Attack)]
            computed += [(f"the attack of round {now.round}", settings.arithmetic) for settings in attacks if settings is not None]
        return lacking(computed)

    def findings(self, plan: P, store: RunStore) -> dict[str, Any]:
        """Return the results on the trained model, its concept erasures, and attacks on it."""
        from simulator.tasks.diffusion.results import findings

        return findings(plan, store)

    def remains(self, plan: P) -> Iterator[str]:
        """Yield a line if the cache of trainings holds any."""
        from clients.cache import remains

        yield from remains()
