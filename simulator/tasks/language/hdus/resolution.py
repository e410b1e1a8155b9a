"""Resolution of a scenario of peers that exchange seed language models to a plan."""

from __future__ import annotations

from collections.abc import Sequence

from clients.data import Dataset
from clients.data.rows import Ids
from server.timeline import Timeline
from simulator.tasks.language.hdus.scenario import HdusLanguageScenario
from simulator.tasks.language.resolution import GuardedResolution


class HdusLanguageResolution(GuardedResolution[HdusLanguageScenario]):
    """Resolution of a scenario of peers that exchange seed language models."""

    def check(self, data: Dataset, dealt: Sequence[Ids] | None) -> None:
        """Record an error for data that are no text, models that cannot be made here, and GPUs set aside for nobody."""
        self.check_workers()
        world, peers = self.words(), self.scenario.peers
        if world is None:
            return
        seed = self.known("peers.seed", peers.seed, world)
        mains = tuple(self.known(f"peers.main.{i}", main, world) for i, main in enumerate(peers.main))
        if seed is not None and None not in mains:
            changed = peers.model_copy(update={"main": mains, "seed": seed})
            self.scenario = self.scenario.model_copy(update={"peers": changed})

    def check_timeline(self, timeline: Timeline) -> None:
        """Record an error for each rule whose owner crashes, or is late, in the round in which it publishes it."""
        self.check_rules(timeline)
