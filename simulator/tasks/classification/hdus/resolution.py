"""How a scenario of classifying peers becomes a plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from clients.config import HdusConfig
from clients.data import Dataset
from clients.models import ModelSpec
from clients.spec import Spec
from clients.unlearning.contract import Ids, Problem, Rows, UnlearnerSpec
from server.topology import Graph, Repair, draw
from simulator.scenarios.plan import Plan
from simulator.scenarios.resolution import Resolution
from simulator.tasks.classification.hdus.plan import ClassificationPlan
from simulator.tasks.classification.scenario import Classification


class ClassificationResolution(Resolution[Classification]):
    """A scenario of classifying peers on its way to a plan."""

    plans: ClassVar[type[Plan]] = ClassificationPlan

    def graph(self) -> Graph | None:
        """Return the graph of the topology."""
        scenario = self.scenario
        return self.attempt("topology", lambda: draw(scenario.topology, scenario.peers.count, scenario.seed))

    @property
    def repair(self) -> Repair:
        """What is done to the graph when a peer is erased."""
        return self.scenario.topology.on_leave

    def config(self, peer: int, **constants: Any) -> HdusConfig:
        """Return what a peer is told; main models are dealt in turn."""
        scenario = self.scenario
        mains = scenario.peers.main
        tables = {name: getattr(scenario, name) for name in ("training", "distillation", "ensemble")}
        return HdusConfig(peer=peer, main=mains[peer % len(mains)], seed=scenario.peers.seed, **constants, **tables)

    def check(self, data: Dataset, dealt: Sequence[Ids] | None) -> None:
        """Write down models that cannot take the data or their peers' rows."""
        peers = self.scenario.peers
        if data.classes < 2:
            self.wrong("data", f"every row is of class {data.labels[0]!r}: choose data with at least two classes")
            return
        for place, spec in [(f"peers.main.{i}", main) for i, main in enumerate(peers.main)] + [("peers.seed", peers.seed)]:
            if spec is not peers.seed and (refusal := _unfit(spec, data)):
                self.wrong(place, refusal)
                continue
            model = getattr(spec, "base", spec)
            try:
                if isinstance(model, ModelSpec):
                    model.parameters(data.shape, data.classes)
            except NotImplementedError:
                continue  # it does not tell before it is built
            except ValueError as error:
                self.wrong(place, str(error))
        for i, main in enumerate(peers.main if dealt else ()):
            if isinstance(main, UnlearnerSpec) and not _unfit(main, data):
                self._check_rows(i, main, data, dealt or ())

    def _check_rows(self, i: int, main: UnlearnerSpec, data: Dataset, dealt: Sequence[Ids]) -> None:
        """Write down why a main model cannot learn from one of its peers' rows; the peer with the fewest is asked first."""
        scenario = self.scenario
        problem = Problem(data.shape, data.classes, scenario.rounds, data.columns, scenario.training)
        owners = range(i, scenario.peers.count, len(scenario.peers.main))
        for peer in sorted(owners, key=lambda peer: len(dealt[peer])):
            ids = dealt[peer]
            if wrong := main.check(problem, Rows(ids, data.x[ids], data.y[ids])):
                self.wrong(f"peers.main.{i}", f"peer {peer}: {wrong}")
                return


def _kind(spec: Spec) -> str:
    """Return the tag of a table."""
    return str(getattr(spec, "kind"))  # noqa: B009  every registered spec has a tag


def _unfit(spec: Spec, data: Dataset) -> str | None:
    """Return why no peer can have this main model, whatever its rows, or None; a graph has nodes for rows, users interactions."""
    if data.users is not None:
        return _unfit_for_users(spec)
    if not isinstance(spec, UnlearnerSpec) or (spec.unit == "nodes and edges" and len(data.edges)):
        return None
    if spec.unit == "nodes and edges":
        return f"{_kind(spec)} forgets nodes and edges, a peer's main model must forget rows, which here have no edges: take another kind"
    if spec.unit != "rows":
        return f"{_kind(spec)} forgets {spec.unit}, a peer's main model must forget rows: take another kind"
    if not spec.classifier:
        return f"{_kind(spec)} is no classifier, a peer's main model must predict classes: take another kind"
    return None


def _unfit_for_users(spec: Spec) -> str | None:
    """Return why a model cannot be the main model of a peer that recommends to users, or None."""
    unit = spec.unit if isinstance(spec, UnlearnerSpec) else "rows"
    if unit == "interactions and users":
        return None
    return f"{_kind(spec)} forgets {unit}, a peer's main model must here forget interactions of users: take receraser"
