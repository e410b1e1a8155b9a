"""Resolution of a scenario of averaged classifiers to a plan."""

from __future__ import annotations

from collections.abc import Sequence

from clients.classification.averaging.trigger import Stamp
from clients.data import Dataset
from clients.data.columns import expanded_shape
from clients.data.rows import Ids
from server.averaging.cohort import Cohorts
from server.averaging.past import Past
from server.timeline import Timeline
from simulator.audits.attack_rate import no_trigger
from simulator.scenarios.cell import Resolves
from simulator.tasks.averaging.refusals import refusals
from simulator.tasks.classification.averaging import privacy
from simulator.tasks.classification.averaging.scenario import AveragedScenario
from simulator.tasks.classification.pooled import unfit
from simulator.tasks.classification.resolution import ClassifierResolution


class AveragedResolution(ClassifierResolution[AveragedScenario]):
    """Resolution of a scenario of averaged classifiers."""

    def __init__(self, scenario: AveragedScenario, cell: Resolves) -> None:
        super().__init__(_measured_as_planted(scenario), cell)

    def check(self, data: Dataset, dealt: Sequence[Ids] | None) -> None:
        """Record an error for a model that cannot take the data, for an impossible cohort, and for GPUs set aside for nobody."""
        self.check_workers()
        scenario = self.scenario
        if wrong := unfit(data):
            self.wrong("data", wrong)
            return
        if wrong := privacy.void(scenario.training, [len(rows) for rows in dealt or ()]):
            self.wrong("training.private.delta", wrong)
        try:
            scenario.peers.main[0].parameters(expanded_shape(data.shape, data.columns), data.classes)
        except NotImplementedError:
            pass  # the size is unknown before the model is built
        except ValueError as error:
            self.wrong("peers.main.0", str(error))
        cohort, peers = scenario.federation.cohort, scenario.peers.count
        if isinstance(cohort, int) and cohort > peers:
            self.wrong("federation.cohort", f"is {cohort}, but there are {peers} peers: lower it, or leave it out for all")
        planted = scenario.peers.backdoor
        if planted and (wrong := no_trigger(planted.target, planted.size, data)):
            self.wrong("peers.backdoor", wrong)
        if planted and (asked := scenario.audit.asked.get("attack_rate")):
            for name, value in planted.model_dump(include=set(Stamp.model_fields)).items():
                if (told := getattr(asked, name)) != value:
                    self.wrong("audit.attack_rate", f"{name} = {told}, but peers.backdoor has {name} = {value}: leave the key out here")
        if scenario.training.streams != "keyed":
            self.wrong("training.streams", "is 'sequential', the control of an hdus federation: leave it out")

    def check_timeline(self, timeline: Timeline) -> None:
        """Record an error for each request that cannot be carried out, and for each method that does not work on the global model."""
        federation = self.scenario.federation
        for place, what in refusals(timeline, Past(timeline, Cohorts(self.scenario.seed, federation.cohort)), federation.history):
            self.wrong(place, what)
        for place, what in privacy.refusals(self.scenario.training, timeline):
            self.wrong(place, what)
        named = {(one.round, one.method.tag): one.method for one in timeline.erasures if one.method is not None}
        for (number, tag), method in named.items():
            if misfit := method.misfit(self.scenario.peers.main[0]) or method.unshared():
                self.wrong(f"round {number}", f"method {tag!r} {misfit}")


def _measured_as_planted(scenario: AveragedScenario) -> AveragedScenario:
    """Return the scenario in which the audit `attack_rate` takes the trigger that is planted, in all keys that it does not have itself."""
    planted, asked = scenario.peers.backdoor, scenario.audit.asked.get("attack_rate")
    if planted is None or asked is None:
        return scenario
    trigger = planted.model_dump(include=Stamp.model_fields.keys() - asked.model_fields_set)
    audit = scenario.audit.model_copy(update={"attack_rate": asked.model_copy(update=trigger)})
    return scenario.model_copy(update={"audit": audit})
