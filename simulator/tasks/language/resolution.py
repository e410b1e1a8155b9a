"""What resolutions of scenarios of language models share: a world of text, models that know its words, and rules on a timeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from clients.config import PeerConfig
from clients.data import DataError, Dataset
from clients.data.worlds import World as Words
from clients.data.worlds import world_of
from clients.language.spec import LanguageSpec
from server.language.timeline import GuardedTimeline
from server.timeline import Timeline
from server.topology import Graph
from simulator.events.world import World
from simulator.scenarios.scenario import Scenario
from simulator.tasks.classification.resolution import ClassifierResolution
from simulator.tasks.language.expectations import never_measured
from simulator.tasks.language.world import GuardedWorld

S = TypeVar("S", bound=Scenario)


class GuardedResolution(ClassifierResolution[S]):
    """Resolution of a scenario of language models."""

    def words(self) -> Words | None:
        """Return the world that the data are; None, and an error, if they are no text or their classes are named otherwise."""
        try:
            world = world_of(self.scenario.data.source())
        except DataError as error:
            self.wrong("data.dataset", str(error))
            return None
        if world.class_names not in (None, world.answers):
            self.wrong("data.labels", "are the words that answer in this world, in their order: leave the key out")
        return world

    def known(self, place: str, spec: LanguageSpec, world: Words) -> LanguageSpec | None:
        """Return a model with all that determines its weights; None, and an error, if it cannot be made here.

        A context that has more records than there are names is an error, too.
        """
        longest, names = spec.records, len(world.vocabulary) - world.first_name
        if longest > names:
            self.wrong(f"{place}.records", f"is {longest}, but there are {names} names, and a context has each once: lower it")
        return self.attempt(place, lambda: spec.model_copy(update={"words": world.longest}).known(world.vocabulary))

    def check_rules(self, timeline: Timeline) -> None:
        """Record an error for each rule whose owner crashes, or is late, in the round in which it publishes it, and for each expectation
        of a rule, of a way of asking, or of a prompt, that there is not.
        """
        assert isinstance(timeline, GuardedTimeline)
        for rule in timeline.rules:
            now = timeline.rounds[rule.round - 1]
            if rule.peer in now.crash or rule.peer in now.late:
                self.wrong(f"guard {rule.id!r}", f"peer {rule.peer} crashes or is late in round {rule.round}: name another round")
        for place, what in never_measured(self.scenario.expect, timeline):
            self.wrong(place, what)

    def world(self, graph: Graph, configs: Sequence[PeerConfig], data: Dataset) -> World:
        """Return the initial simulation state."""
        return GuardedWorld(self.setting(graph, configs, data))

    def timeline(self, world: World) -> Timeline:
        """Simulate the events and return the timeline."""
        assert isinstance(world, GuardedWorld)
        return GuardedTimeline(**dict(super().timeline(world)), rules=tuple(world.rules.values()))
