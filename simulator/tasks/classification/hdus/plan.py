"""The plan of a scenario of classifying peers."""

from __future__ import annotations

from collections.abc import Iterator

from clients.config import HdusConfig
from clients.models import ModelSpec
from clients.unlearning.contract import UnlearnerSpec
from server.timeline import Erasure
from simulator.scenarios.plan import Plan
from simulator.tasks.classification.scenario import Classification


class ClassificationPlan(Plan):
    """A scenario of classifying peers after every random choice has been drawn."""

    scenario: Classification
    configs: tuple[HdusConfig, ...]
    returns: tuple[HdusConfig, ...] = ()

    def method(self, erasure: Erasure) -> tuple[str, str]:
        """Return the method by which something is forgotten, and its guarantee."""
        if erasure.kind == "peer":
            return "drop_seed", "exact"
        main = self.configs[erasure.peer].main
        if isinstance(main, ModelSpec):
            return "retrain", "exact"
        assert isinstance(main, UnlearnerSpec)
        return str(main.kind), main.guarantee  # type: ignore[attr-defined]

    @property
    def topology(self) -> str:
        """The kind of graph."""
        return str(self.scenario.topology.kind)  # type: ignore[attr-defined]

    def costs(self) -> Iterator[tuple[str, str]]:
        """Yield what the plan costs: what is spent, and how much of it."""
        from simulator.tasks.classification.hdus.costs import in_words

        return in_words(self)
