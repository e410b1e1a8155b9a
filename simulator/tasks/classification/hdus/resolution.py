"""Resolution of a scenario of HDUS classifiers to a plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from clients.data import Dataset
from clients.data.columns import expanded_shape
from clients.data.rows import Ids
from clients.models import ModelSpec
from clients.spec import Spec
from clients.unlearning.contract import Problem, UnlearnerSpec
from server.timeline import Timeline
from simulator.tasks.classification.hdus.devices import parameters, too_small
from simulator.tasks.classification.hdus.scenario import HdusScenario
from simulator.tasks.classification.resolution import ClassifierResolution


class HdusResolution(ClassifierResolution[HdusScenario]):
    """Resolution of a scenario of HDUS classifiers."""

    synthetic: ClassVar[bool] = True

    def check(self, data: Dataset, dealt: Sequence[Ids] | None) -> None:
        """Record an error for each model that cannot use the data or its peers' rows, and for GPUs set aside for nobody."""
        self.check_workers()
        peers = self.scenario.peers
        self._parameters = parameters(self.scenario, expanded_shape(data.shape, data.columns), data.classes)
        if self.scenario.data.synthetic is not None and (wrong := _undrawable(data)):
            self.wrong("data.reference", wrong)
        if data.classes < 2:
            self.wrong("data", f"every row is of class {data.labels[0]!r}: choose data with at least two classes")
            return
        for place, spec in [(f"peers.main.{i}", main) for i, main in enumerate(peers.main)] + [("peers.seed", peers.seed)]:
            if spec is not peers.seed and (refusal := _unfit(spec, data)):
                self.wrong(place, refusal)
                continue
            model = spec
            while hasattr(model, "base"):  # the network of an unlearner, or of the unlearner on its shards
                model = model.base
            try:
                if isinstance(model, ModelSpec):
                    model.parameters(data.shape, data.classes)
            except NotImplementedError:
                continue  # its requirements are known only once it is built
            except ValueError as error:
                self.wrong(place, str(error))
        for i, main in enumerate(peers.main if dealt else ()):
            if isinstance(main, UnlearnerSpec) and not _unfit(main, data):
                self._check_rows(i, main, data, dealt or ())

    def check_timeline(self, timeline: Timeline) -> None:
        """Record an error for each device whose memory the weights of its peers' models do not fit."""
        if self.scenario.peers.devices:
            self._tell(too_small(self.scenario, timeline, *self._parameters))

    def _check_rows(self, i: int, main: UnlearnerSpec, data: Dataset, dealt: Sequence[Ids]) -> None:
        """Record why a main model cannot learn from one of its peers' rows; the peer with the fewest rows is checked first."""
        scenario = self.scenario
        problem = Problem(data.shape, data.classes, scenario.rounds, data.columns, scenario.training)
        owners = range(i, scenario.peers.count, len(scenario.peers.main))
        for peer in sorted(owners, key=lambda peer: len(dealt[peer])):
            if wrong := main.check(problem, data.rows(dealt[peer])):
                self.wrong(f"peers.main.{i}", f"peer {peer}: {wrong}")
                return


def _unfit(spec: Spec, data: Dataset) -> str | None:
    """Return why no peer can have this main model, whatever its rows, or None; rows can be nodes of a graph or users' interactions."""
    if data.users is not None:
        return _unfit_for_users(spec)
    if not isinstance(spec, UnlearnerSpec) or (spec.unit == "nodes and edges" and len(data.edges)):
        return None
    if spec.unit == "nodes and edges":
        return f"{spec.tag} forgets nodes and edges, a peer's main model must forget rows, which here have no edges: take another kind"
    if spec.unit != "rows":
        return f"{spec.tag} forgets {spec.unit}, a peer's main model must forget rows: take another kind"
    if not spec.classifier:
        return f"{spec.tag} is no classifier, a peer's main model must predict classes: take another kind"
    return None


def _unfit_for_users(spec: Spec) -> str | None:
    """Return why a model cannot be the main model of a peer that recommends to users, or None."""
    unit = spec.unit if isinstance(spec, UnlearnerSpec) else "rows"
    if unit == "interactions and users":
        return None
    return f"{spec.tag} forgets {unit}, a peer's main model must here forget interactions of users: take receraser"


def _undrawable(data: Dataset) -> str | None:
    """Return why no synthetic reference rows can be drawn for the data, or None."""
    if data.users is not None or len(data.edges):
        what = "interactions of users" if data.users is not None else "nodes of a graph"
        return f"rows are {what}, which cannot be drawn: give a number of rows"
    if len(data.shape) not in (1, 3):
        return f"inputs of shape {' x '.join(map(str, data.shape))} cannot be drawn, only tables and images can: give a number of rows"
    if len(data.shape) == 3 and (data.x.min() < 0 or data.x.max() > 1):
        lies = f"the data's lie between {data.x.min():g} and {data.x.max():g}"
        return f"draws pixels between 0 and 1, {lies}: scale them, store bytes, or give a number of rows"
    return None
