"""Resolution of a scenario of peers that send sums to a plan."""

from __future__ import annotations

from collections.abc import Sequence

from clients.data import Dataset
from clients.data.rows import Ids
from clients.unlearning.approximate.statistics.spec import InfinitesimalJackknife
from clients.unlearning.contract import Problem, UnlearningError
from simulator.scenarios.resolution import Resolution
from simulator.scenarios.validation_errors import name_place
from simulator.tasks.classification.pooled import unfit
from simulator.tasks.classification.sums.scenario import Stepped, SumsScenario


class SumsResolution(Resolution[SumsScenario]):
    """Resolution of a scenario of peers that send sums."""

    def check(self, data: Dataset, dealt: Sequence[Ids] | None) -> None:
        """Record an error if the model cannot use the data."""
        if wrong := unfit(data):
            self.wrong("data", wrong)
            return
        self._check_shares()
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

    def _check_shares(self) -> None:
        """Record errors where shares of a perturbation, or events, do not go with steps on sums."""
        table, peers = self.scenario.federation, self.scenario.peers.count
        if not isinstance(table.model, Stepped):
            return
        if table.colluding >= peers:
            self.wrong("federation.colluding", f"is {table.colluding} of {peers} peers, whose shares then hide nothing: lower it")
        for i, event in enumerate(self.scenario.event):
            place, who = name_place(("event", i)), f"{table.model.tag} across peers"
            if event.brings_rows:
                self.wrong(place, f"{event.tag}: {who} takes no rows in after the start: remove it")
            if event.corrects_rows and isinstance(table.model, InfinitesimalJackknife):
                self.wrong(place, f"{event.tag}: {who} keeps the Hessian of the rows as they were: take newton_statistics")
            if getattr(event, "method", None) is not None:
                self.wrong(f"{place}.method", f"{who} carries requests out itself: remove the key")
