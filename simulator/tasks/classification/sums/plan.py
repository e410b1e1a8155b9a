"""The plan of a scenario of peers that send sums."""

from __future__ import annotations

from clients.classification.sums.config import SumsConfig
from clients.classification.sums.newton.config import NewtonConfig
from clients.unlearning.approximate.certified.spec import CertifiedRemoval
from server.timeline import Erasure
from simulator.scenarios.plan import Plan
from simulator.tasks.classification.sums.scenario import SumsScenario


class SumsPlan(Plan):
    """A scenario of peers that send sums after every random choice has been drawn."""

    scenario: SumsScenario
    configs: tuple[SumsConfig | NewtonConfig, ...]
    returns: tuple[SumsConfig | NewtonConfig, ...] = ()

    def awaited(self, erasure: Erasure) -> tuple[int, ...]:
        """Return the members that are away in the last round, if a residual over all members could be measured in no round."""
        later = self.timeline.rounds[erasure.round - 1 :]
        if not isinstance(self.scenario.federation.model, CertifiedRemoval) or any(set(one.members) == set(one.present) for one in later):
            return ()
        return tuple(sorted(set(later[-1].members) - set(later[-1].present)))
