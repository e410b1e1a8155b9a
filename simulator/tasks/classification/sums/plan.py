"""The plan of a scenario of peers that send sums."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from clients.classification.sums.config import SumsConfig
from server.timeline import Erasure
from simulator.scenarios.plan import Plan
from simulator.tasks.classification.sums.scenario import Summation

if TYPE_CHECKING:
    from server.coordinator import Coordinator
    from simulator.progress import Watch
    from simulator.runs.store import RunStore


class SumsPlan(Plan):
    """A scenario of peers that send sums after every random choice has been drawn."""

    scenario: Summation
    configs: tuple[SumsConfig, ...]
    returns: tuple[SumsConfig, ...] = ()

    def coordinator(self, store: RunStore, watch: Watch) -> Coordinator:
        """Return the server that adds up, taken up where the store ends."""
        from server.classification.sums.coordinator import Sums

        return Sums(self.configs[0], store)

    def method(self, erasure: Erasure) -> tuple[str, str]:
        """Return the method by which something is forgotten, and its guarantee."""
        return "subtract", "exact"

    @property
    def pooled(self) -> bool:
        """Whether peers answer with one model of all their rows: they do."""
        return True

    def costs(self) -> Iterator[tuple[str, str]]:
        """Yield what the plan costs: what is spent, and how much of it."""
        erasures = self.timeline.erasures
        kinds = [sum(one.kind == kind for one in erasures) for kind in ("peer", "rows")]
        meetings = sum(len(now.present) for now in self.timeline.rounds)
        requests = len({one.request for one in erasures}) if self.audit.counterfactual else 0
        yield "messages to peers and back", f"{2 * (meetings + len(self.timeline.rounds[-1].present)):,}"
        yield "gradient steps", "0"
        yield "subtractions", f"{kinds[0]} of peers, {kinds[1]} of rows"
        yield "further runs for the audits", str(requests + 1 if requests else 0)

    def problems(self, store: RunStore) -> Iterator[str]:
        """Yield a line for every peer that was examined on another model than that of the sums that lie in the mailbox."""
        from simulator.tasks.classification.sums.verification import problems

        return problems(self, store)
