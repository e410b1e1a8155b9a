"""How a scenario of peers that send sums becomes a plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, cast

import numpy as np
import numpy.typing as npt

from clients.classification.sums.config import SumsConfig
from clients.config import PeerConfig
from clients.data import Dataset
from clients.unlearning.contract import Ids, Problem, Rows, UnlearningError
from server.topology import Graph
from simulator.events.world import World
from simulator.scenarios.plan import Plan
from simulator.scenarios.resolution import Resolution
from simulator.scenarios.validation_errors import name_place
from simulator.tasks.classification.sums.plan import SumsPlan
from simulator.tasks.classification.sums.scenario import Summation

NEIGHBOURLY = ("cut", "link", "refuse")
"""Events that are about neighbours."""


class Unconnected(World):
    """The world of peers that know a server only."""

    def enter(self, peer: int) -> None:
        """Let a peer in; nobody is its neighbour."""
        self.graph.add_node(peer)


class SumsResolution(Resolution[Summation]):
    """A scenario of peers that send sums on its way to a plan."""

    plans: ClassVar[type[Plan]] = SumsPlan

    def graph(self) -> Graph | None:
        """Return the peers, not connected to each other."""
        import networkx as nx

        return cast(Graph, nx.empty_graph(self.scenario.peers.count))

    def world(self, graph: Graph, configs: Sequence[PeerConfig], labels: npt.NDArray[np.int64]) -> World:
        """Return the world in which the events happen."""
        scenario = self.scenario
        rows = [np.asarray(config.rows, dtype=np.int64) for config in configs]
        return Unconnected(scenario.seed, scenario.rounds, graph, self.repair, rows, labels, scenario.peers.groups, self._outside())

    def config(self, peer: int, **constants: Any) -> SumsConfig:
        """Return what a peer is told."""
        return SumsConfig(peer=peer, main=self.scenario.federation.model, **constants)

    def check(self, data: Dataset, dealt: Sequence[Ids] | None) -> None:
        """Write down a model that cannot take the data, and events that are about neighbours."""
        for i, event in enumerate(self.scenario.event):
            do = str(getattr(event, "do"))  # noqa: B009  every event has a tag
            if do in NEIGHBOURLY:
                self.wrong(name_place(("event", i)), f"{do} is about neighbours, which peers that send sums have not: remove the event")
        if data.users is not None:
            self.wrong("data", "ratings of users are no rows of classes to sum over: choose other data")
            return
        if data.classes < 2:
            self.wrong("data", f"every row is of class {data.labels[0]!r}: choose data with at least two classes")
            return
        model, problem = self.scenario.federation.model, Problem(data.shape, data.classes, self.scenario.rounds, data.columns)
        try:
            model.build(problem, ())
        except UnlearningError as error:
            self.wrong("federation.model", str(error))
            return
        for peer, ids in enumerate(dealt or ()):
            if wrong := model.check(problem, Rows(ids, data.x[ids], data.y[ids])):
                self.wrong("federation.model", f"peer {peer}: {wrong}")
                return
