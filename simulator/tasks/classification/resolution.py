"""What the resolutions of classifiers trained by gradient descent share."""

from __future__ import annotations

from typing import Any, TypeVar

from clients.config import PeerConfig
from simulator.scenarios.resolution import Resolution
from simulator.scenarios.scenario import Scenario
from simulator.tasks.placement import PlacedResolution

S = TypeVar("S", bound=Scenario)


class ClassifierResolution(PlacedResolution[S]):
    """Resolution of a scenario of classifiers that are trained where ``[compute]`` says."""

    def config(self, peer: int, **constants: Any) -> PeerConfig:
        """Return a peer's config, without a pinned level: plans from before peers knew where they train keep their hash."""
        return Resolution.config(self, peer, compute=self.compute.model_copy(update={"level": None}), **constants)
