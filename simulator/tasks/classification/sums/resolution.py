"""Resolution of a scenario of peers that send sums to a plan."""

from __future__ import annotations

from collections.abc import Sequence

from clients.data import Dataset
from clients.data.rows import Ids
from clients.unlearning.contract import Problem, UnlearningError
from simulator.scenarios.resolution import Resolution
from simulator.tasks.classification.pooled import unfit
from simulator.tasks.classification.sums.scenario import SumsScenario


class SumsResolution(Resolution[SumsScenario]):
    """Resolution of a scenario of peers that send sums."""

    def check(self, data: Dataset, dealt: Sequence[Ids] | None) -> None:
        """Record an error if the model cannot use the data."""
        if wrong := unfit(data):
            self.wrong("data", wrong)
            return
        model, problem = self.scenario.federation.model, Problem(data.shape, data.classes, self.scenario.rounds, data.columns)
        try:
            model.build(problem, ())
        except UnlearningError as error:
            self.wrong("federation.model", str(error))
            return
        for peer, ids in enumerate(dealt or ()):
            if wrong := model.check(problem, data.rows(ids)):
                self.wrong("federation.model", f"peer {peer}: {wrong}")
                return
