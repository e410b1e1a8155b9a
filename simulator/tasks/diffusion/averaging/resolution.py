"""Resolution of a scenario of averaged denoisers to a plan."""

from __future__ import annotations

from server.averaging.cohort import Cohorts
from server.averaging.past import Past
from server.timeline import Timeline
from simulator.tasks.averaging.refusals import refusals
from simulator.tasks.diffusion.resolution import DiffusionResolution


class AveragedDenoisingResolution(DiffusionResolution):
    """Resolution of a scenario of averaged denoisers."""

    def check_timeline(self, timeline: Timeline) -> None:
        """Record an error for each request that cannot be carried out."""
        history = getattr(self.scenario.federation, "history", None)
        for place, what in refusals(timeline, Past(timeline, Cohorts(self.scenario.seed)), history):
            self.wrong(place, what)
