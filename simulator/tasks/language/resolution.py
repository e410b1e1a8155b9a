"""What resolutions of scenarios of language models share: a world of text, models that know its words, and rules on a timeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from clients import data
from clients.config import PeerConfig
from clients.data import DataError, Dataset
from clients.data.topics import Topical
from clients.data.worlds import World as Words
from clients.data.worlds import world_of
from clients.language.config import hash_key
from clients.language.measures import PUBLIC
from clients.language.spec import LanguageSpec
from clients.unlearning.deep.rmu import Rmu
from clients.unlearning.prompts.in_context import InContext
from clients.unlearning.prompts.rules import Rule
from server.language.timeline import GuardedTimeline
from server.timeline import Timeline
from server.topology import Graph
from simulator.events.world import World
from simulator.scenarios.scenario import Scenario
from simulator.scenarios.validation_errors import name_place
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
        """Record an error for each rule whose owner crashes, or is late, in the round in which it publishes it, or whose matcher is of no
        use, and for each expectation of a rule, of a way of asking, or of a prompt, that there is not, or not in its round.
        """
        assert isinstance(timeline, GuardedTimeline)
        for rule in timeline.rules:
            now = timeline.rounds[rule.round - 1]
            if rule.peer in now.crash or rule.peer in now.late:
                self.wrong(f"guard {rule.id!r}", f"peer {rule.peer} crashes or is late in round {rule.round}: name another round")
            if (why := self._useless(rule)) is not None:
                self.wrong(f"guard {rule.id!r}", f"match.{why}")
        world = world_of(self.scenario.data.source())
        known = {"sentences": world.sentences, "topical": isinstance(world, Topical)}
        for place, what in never_measured(self.scenario.expect, timeline, **known):
            self.wrong(place, what)

    def _useless(self, rule: Rule) -> str | None:
        """Return why the matcher of a rule is of no use for its records among public questions; None if it can be."""
        source = self.scenario.data.source()
        world, rows = world_of(source), data.load(source).rows(np.array(rule.rows, np.int64))
        public = world.public(PUBLIC, *hash_key(self.scenario.seed))
        texts = ([(world.text(x), world.answers[y]) for x, y in zip(*some, strict=True)] for some in ((rows.x, rows.y), public))
        return rule.useless(*texts)

    def world(self, graph: Graph, configs: Sequence[PeerConfig], data: Dataset) -> World:
        """Return the initial simulation state."""
        return GuardedWorld(self.setting(graph, configs, data))

    def check_methods(self, records: int, blocks: int, place: str) -> None:
        """Record an error for each event whose prompts do not fit into a context of ``records``, or that names a block that is not there.

        ``place`` is where the records are set.
        """
        for i, event in enumerate(self.scenario.event):
            method = getattr(event, "method", None)
            if isinstance(method, InContext) and method.longest > records:
                what = f"context = {method.context} makes prompts of {method.longest} records, and {records} fit"
                self.wrong(name_place(("event", i, "method")), f"{what}: lower it, or raise {place}")
            if isinstance(method, Rmu) and method.layer > blocks:
                what = f"is {method.layer}, and the model's last layer is {blocks}: take at most that many"
                self.wrong(name_place(("event", i, "method", "layer")), what)

    def timeline(self, world: World) -> Timeline:
        """Simulate the events and return the timeline; record an error for peers that keep too few records about other people.

        A context is filled with these.
        """
        assert isinstance(world, GuardedWorld)
        timeline, source = super().timeline(world), data.load(self.scenario.data.source())
        for one in timeline.erasures:
            if isinstance(one.method, InContext):
                later = {row for new in timeline.arrivals() if new.peer == one.peer and new.round > one.round for row in new.rows}
                ids = set(world.rows[one.peer]) - later
                kept, gone = (source.inputs(np.array(sorted(rows), np.int64))[:, -1] for rows in (ids, one.rows))
                left, context = min(int((kept != name).sum()) for name in gone), one.method.context
                if left <= context:
                    needs = f"needs {context + 1} records about others, peer {one.peer} keeps {left}: delete fewer, or lower context"
                    self.wrong(f"round {one.round}", f"context = {context} {needs}")
        return GuardedTimeline(**dict(timeline), rules=tuple(world.rules.values()))
