"""Resolution of a scenario of an averaged language model to a plan."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clients.data import Dataset, load
from clients.data.rows import Ids
from clients.unlearning.deep.rmu import Rmu
from clients.unlearning.prompts.in_context import InContext
from server.averaging.cohort import Cohorts
from server.averaging.past import Past
from server.timeline import Timeline
from simulator.events.world import World
from simulator.scenarios.validation_errors import name_place
from simulator.tasks.averaging.refusals import refusals
from simulator.tasks.language.averaging.scenario import LanguageScenario
from simulator.tasks.language.resolution import GuardedResolution


class LanguageResolution(GuardedResolution[LanguageScenario]):
    """Resolution of a scenario of an averaged language model."""

    def check(self, data: Dataset, dealt: Sequence[Ids] | None) -> None:
        """Record an error for data that are no text, more names than a context needs, and GPUs set aside for nobody."""
        self.check_workers()
        world = self.words()
        known = None if world is None else self.known("language", self.scenario.language, world)
        if known is None:
            return
        self.scenario = scenario = self.scenario.model_copy(update={"language": known})
        for i, event in enumerate(scenario.event):
            method = getattr(event, "method", None)
            if isinstance(method, InContext) and method.longest > known.records:
                what = f"context = {method.context} makes prompts of {method.longest} records, and {known.records} fit: lower it, or raise"
                self.wrong(name_place(("event", i, "method")), f"{what} language.records")
            if isinstance(method, Rmu) and method.layer > known.blocks:
                what = f"is {method.layer}, and the model's last layer is {known.blocks}: take at most that many"
                self.wrong(name_place(("event", i, "method", "layer")), what)

    def check_timeline(self, timeline: Timeline) -> None:
        """Record an error for each request that cannot be carried out, and each rule whose owner crashes before it is published."""
        past = Past(timeline, Cohorts(self.scenario.seed))
        for place, what in refusals(timeline, past, self.scenario.federation.history):
            self.wrong(place, what)
        self.check_rules(timeline)
        for number in sorted({one.round for one in timeline.erasures if isinstance(one.method, InContext)}):
            due = [one.method for one in timeline.erasures if one.round == number]
            if not all(isinstance(method, InContext) for method in due):
                self.wrong(
                    f"round {number}", "in_context changes no weight, which another method of this round would: ask in different rounds"
                )
            if past.contact(number) == number:
                self.wrong(
                    f"round {number}", "no model has seen these records yet, and in_context has nothing to hide: ask in a later round"
                )

    def timeline(self, world: World) -> Timeline:
        """Simulate the events and return the timeline; record an error for peers that keep too few records about other people.

        A context is filled with these.
        """
        timeline, data = super().timeline(world), load(self.scenario.data.source())
        for one in timeline.erasures:
            if isinstance(one.method, InContext):
                kept, gone = (data.inputs(np.array(sorted(ids), np.int64))[:, -1] for ids in (world.rows[one.peer], one.rows))
                left = min(int((kept != name).sum()) for name in gone)
                if left <= one.method.context:
                    needs = (
                        f"needs {one.method.context + 1} records about others, peer {one.peer} keeps {left}: delete fewer, or lower context"
                    )
                    self.wrong(f"round {one.round}", f"context = {one.method.context} {needs}")
        return timeline
