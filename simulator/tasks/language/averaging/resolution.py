"""Resolution of a scenario of an averaged language model to a plan."""

from __future__ import annotations

from collections.abc import Sequence

from clients.data import Dataset
from clients.data.rows import Ids
from clients.unlearning.prompts.in_context import InContext
from server.averaging.cohort import Cohorts
from server.averaging.past import Past
from server.timeline import Timeline
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
        self.scenario = self.scenario.model_copy(update={"language": known})
        self.check_methods(known.records, known.blocks, "language.records")

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
