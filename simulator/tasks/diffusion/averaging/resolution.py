"""How a scenario of averaged denoisers becomes a plan."""

from __future__ import annotations

from server.averaging.cohort import Cohorts
from server.averaging.past import Past
from server.timeline import Timeline
from simulator.tasks.averaging.refusals import refusals
from simulator.tasks.diffusion.resolution import DiffusionResolution


class AveragedDenoisingResolution(DiffusionResolution):
    """A scenario of averaged denoisers on its way to a plan."""

    def check_timeline(self, timeline: Timeline) -> None:
        """Write down requests that cannot be carried out."""
        history = getattr(self.scenario.federation, "history", None)
        for place, what in refusals(timeline, Past(timeline, Cohorts(self.scenario.seed)), history):
            self.wrong(place, what)
