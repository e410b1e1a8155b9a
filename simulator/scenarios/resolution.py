"""Resolution of every random choice of a scenario: data, partition, graph, events, churn."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar, cast

import numpy as np

from clients.config import PeerConfig
from clients.data import DataError, Dataset, DatasetSpec, load, one_line
from clients.data.rows import Ids
from server.membership import MembershipError
from server.timeline import Happening, Round, Timeline
from server.topology import Graph, Repair, TopologyError, TopologySpec, draw, edges
from simulator.errors import ScenarioError
from simulator.events.contract import STAGES
from simulator.events.peers import EventError
from simulator.events.world import Draft, Setting, World
from simulator.scenarios import bounds, compare, presence, refusals
from simulator.scenarios.cell import Resolves
from simulator.scenarios.churn import ChurnError
from simulator.scenarios.expectations import elsewhere, never_checked, unfit_metrics
from simulator.scenarios.happenings import numbered, tell_churn, tell_undone, waiting
from simulator.scenarios.plan import Plan
from simulator.scenarios.public import Split, split
from simulator.scenarios.scenario import Scenario
from simulator.scenarios.tasks import CELLS
from simulator.scenarios.withheld import Coming, place_of, withheld

T = TypeVar("T")


def resolve(scenario: Scenario) -> Plan:
    """Draw every random choice of a scenario.

    Raises
    ------
    ScenarioError
        With one line per error in data, partition, graph, events or expectations.
    """
    cell = CELLS.load(scenario.cell)()
    resolution: Resolution[Any] = cell.resolution(scenario, cell)
    return resolution.plan()


S = TypeVar("S", bound=Scenario)


class Resolution(Generic[S]):
    """The resolution of one scenario to a plan, with the errors found so far; subclasses define the parts specific to a task."""

    synthetic: ClassVar[bool] = False
    """Whether peers can distil on reference rows that are drawn instead of set aside."""

    def __init__(self, scenario: S, cell: Resolves) -> None:
        self.scenario = scenario
        self.cell = cell
        self.lines: list[str] = []
        self.coming: Coming = {}

    def check(self, data: Dataset, dealt: Sequence[Ids] | None) -> None:
        """Record an error for everything that contradicts the data or the partition ``dealt`` (None if it failed)."""
        raise NotImplementedError

    def check_timeline(self, timeline: Timeline) -> None:
        """Record an error for every event that cannot be carried out."""

    def config(self, peer: int, **constants: Any) -> PeerConfig:
        """Return a peer's config."""
        return self.cell.config(self.scenario, peer, **constants)

    @property
    def topology(self) -> TopologySpec | None:
        """The topology of the peers; None if they only have a server."""
        return getattr(self.scenario, "topology", None)

    def graph(self) -> Graph | None:
        """Return the graph of all peers, or None if it cannot be drawn; without a topology it has no edges."""
        import networkx as nx  # importing it takes longer than resolving a scenario without a graph

        topology, peers = self.topology, self.scenario.peers.count
        if topology is None:
            return cast(Graph, nx.empty_graph(peers))
        return self.attempt("topology", lambda: draw(topology, peers, self.scenario.seed))

    @property
    def repair(self) -> Repair:
        """How the graph is repaired when a peer is erased."""
        return "none" if self.topology is None else self.topology.on_leave

    def world(self, graph: Graph, configs: Sequence[PeerConfig], data: Dataset) -> World:
        """Return the initial simulation state."""
        return World(self.setting(graph, configs, data))

    def setting(self, graph: Graph, configs: Sequence[PeerConfig], data: Dataset) -> Setting:
        """Return the settings of the initial simulation state."""
        scenario = self.scenario
        rows = [np.asarray(config.rows, dtype=np.int64) for config in configs]
        constants = scenario.seed, scenario.rounds, graph, self.repair, rows, data.y, scenario.peers.groups
        return Setting(*constants, outside=self._outside(), connected=self.topology is not None, numbers=data.numbers)

    def timeline(self, world: World) -> Timeline:
        """Simulate the events and return the timeline."""
        rounds = tuple(self._rounds(world))
        return Timeline(rounds=rounds, erasures=numbered(world), waiting=waiting(world))

    def plan(self) -> Plan:
        """Return the plan; ``ScenarioError`` with all errors found."""
        scenario = self.scenario
        self._check_bounds()
        self._give_up()
        known = self._known()
        graph = self.graph()
        if graph is not None and (size := graph.number_of_edges() * scenario.rounds) > bounds.EDGE_ROUNDS:
            self.wrong("rounds", f"{scenario.rounds} rounds of a graph's edges are {size}, at most {bounds.EDGE_ROUNDS} can be: lower them")
        configs = self._configs(*known) if known is not None else ()
        told = [*refusals.of_machine(scenario), *refusals.of_rounds(scenario), *refusals.of_validation(scenario)]
        told += [*refusals.of_audits(scenario, known[-1], configs), *refusals.of_training(scenario, configs)] if known is not None else ()
        self._tell([*told, *compare.refusals(scenario.compare, scenario.event)])
        if configs:
            self._tell(unfit_metrics(scenario.expect, self.cell.metrics(configs[0])))
        self._give_up()
        assert known is not None
        assert graph is not None
        data = known[-1]
        world = self.world(graph, configs, data)
        world.classes, world.users, world.data_edges = data.labels, data.user_names, data.edges
        world.data, world.facts, world.coming = data, known[0], self.coming
        world.edge_learners = {config.peer for config in configs if config.knows_edges}
        timeline = self.timeline(world)
        self._tell(never_checked(scenario, timeline, connected=self.topology is not None))
        self._tell(elsewhere(scenario, timeline, self.cell, configs[0]))
        self._tell(refusals.of_requests(scenario, timeline, configs))
        self.check_timeline(timeline)
        self._give_up()
        comparisons = tuple(compare.resolved(scenario.compare, timeline, world.requested, self.wrong))
        self._give_up()
        returns = tuple(
            configs[peer].model_copy(update={"generation": generation, "rows": rows, "absent_edges": absent, "corrections": told})
            for peer, generation, rows, absent, told in world.returns
        )
        sha256 = hashlib.sha256()
        for array in (data.x, data.y, data.edges, *(() if data.numbers is None else (data.numbers,))):
            sha256.update(np.ascontiguousarray(array).data)
        plan = self.cell.plan(
            scenario=scenario,
            data_sha256=sha256.hexdigest(),
            shape=data.shape,
            labels=data.labels,
            configs=configs,
            returns=returns,
            timeline=timeline,
            comparisons=comparisons,
        )
        self._tell(compare.unable(plan, self.cell.branched))
        self._give_up()
        return plan

    def _check_bounds(self) -> None:
        """Record an error for everything that would never end, before anything is read or drawn."""
        scenario = self.scenario
        peers, rounds = scenario.peers.count, scenario.rounds
        if peers * rounds > bounds.PEER_ROUNDS:
            self.wrong("rounds", f"{peers} peers x {rounds} rounds are more than {bounds.PEER_ROUNDS}: lower rounds or peers.count")
        for name, table in bounds.with_paths(scenario.model_dump(mode="json")):
            path = table.get("path")
            if isinstance(path, str) and (problem := bounds.irregular(path)):
                self.wrong(f"{name}.path", problem)

    def attempt(self, place: str, make: Callable[[], T]) -> T | None:
        """Return the result of ``make``; on failure record the error and return None."""
        try:
            return make()
        except (DataError, TopologyError, ChurnError, EventError, MembershipError) as error:
            self.wrong(place, str(error))
            return None

    def wrong(self, place: str, what: str) -> None:
        """Record an error."""
        self.lines.append(one_line(f"{self.scenario.source}: {place}: {what}"))

    def _tell(self, found: Iterable[tuple[str, str]]) -> None:
        """Record an error for each pair of place and reason."""
        for place, what in found:
            self.wrong(place, what)

    def _give_up(self) -> None:
        """Raise ``ScenarioError`` with all errors, if there are any."""
        if self.lines:
            raise ScenarioError(self.lines)

    def _known(self) -> tuple[DatasetSpec, Split, Dataset] | None:
        """Return the data set's spec with all facts needed for encoding, the public rows, and the data; None on failure."""
        table, source = self.scenario.data, self.scenario.data.source()

        def read() -> tuple[DatasetSpec, Split, Dataset]:
            held = source.read()
            aside = split(held, self.scenario.seed, table.set_aside, table.test, table.validation)
            known = source.known(held, aside.shown(table.facts))
            return known, aside, load(known)

        return self.attempt("data", read)

    def _configs(self, known: DatasetSpec, aside: Split, data: Dataset) -> tuple[PeerConfig, ...]:
        """Return the config of each peer; empty if the rows cannot be partitioned."""
        scenario = self.scenario
        deal = scenario.data.partition.deal
        dealt = self.attempt("data.partition", lambda: deal(data, aside.rest, scenario.peers.count, scenario.seed))
        self._tell(refusals.of_events(scenario, self.cell, connected=self.topology is not None))
        self._tell(refusals.of_reference(scenario, synthetic=self.synthetic))
        if dealt is not None:
            dealt, self.coming = withheld(scenario, dealt, data, self.attempt)
        self.check(data, dealt)
        public = {name: tuple(getattr(aside, name).tolist()) for name in ("reference", "test", "validation")}
        constants = {"run_seed": scenario.seed, "rounds": scenario.rounds, "data": known, **public}
        return tuple(self.config(peer, rows=tuple(rows.tolist()), **constants) for peer, rows in enumerate(dealt or ()))

    def _outside(self) -> set[int]:
        """Return the peers that join later: those named in a join event, and those that churn lets in."""
        return presence.joining(self.scenario) | (self.attempt("churn", lambda: presence.absentees(self.scenario)) or set())

    def _subject_to_churn(self, world: World) -> list[int]:
        """Return the peers that churn concerns, ascending."""
        churn = self.scenario.churn
        if churn is None:
            return []
        named = churn.peers
        return sorted(world.rows) if named is None else self.attempt("churn.peers", lambda: world.named(named)) or []

    def _rounds(self, world: World) -> Iterator[Round]:
        """Simulate the events round by round."""
        subject = self._subject_to_churn(world)
        schedule = self.attempt("churn", lambda: presence.away(self.scenario, world, subject)) or {}
        gone: set[int] = set()
        for now in range(1, world.rounds + 1):
            world.round, world.draft, world.event = now, Draft(), -1
            if back := world.membership.open_round(now):
                world.draft.happenings.append(Happening(do="back", peers=tuple(back), detail="online again"))
            away = schedule.get(now, set())
            for stage in STAGES:
                self._play(world, stage)
                if stage == "membership":
                    self.attempt(f"churn in round {now}", lambda: presence.change(self.scenario, world, subject))
                    online = set(world.membership.online())
                    tell_churn(world, away & online, gone & online)
                    gone = away & online
                    world.online = online - away
            world.carry_out()
            if now == world.rounds:
                tell_undone(world)
            yield self.round(world)

    def _play(self, world: World, stage: str) -> None:
        """Apply the events of one stage of the current round, in the order of the file."""
        for i, event in enumerate(self.scenario.event):
            if event.round == world.round and event.turn == stage:
                world.event = i
                self.attempt(place_of(i, event), partial(event.resolve, world))

    def round(self, world: World) -> Round:
        """Return the current round."""
        draft, present = world.draft, tuple(sorted(world.online))
        started = {peer: world.reborn.pop(peer) for peer in present if peer in world.reborn}
        return Round(
            round=world.round,
            present=present,
            members=tuple(world.membership.members()),
            erased=tuple(sorted(draft.erased)),
            forget={peer: tuple(sorted(draft.forget[peer])) for peer in sorted(draft.forget)},
            arrive={peer: tuple(sorted(draft.arrive[peer])) for peer in sorted(draft.arrive)},
            correct={peer: tuple(draft.correct[peer]) for peer in sorted(draft.correct)},
            crash=dict(sorted(draft.crash.items())),
            late={peer: delay for peer, delay in sorted(world.late.get(world.round, {}).items()) if peer in world.online},
            refusing=tuple(sorted(world.refusing.intersection(world.membership.members()))),
            generation=started,
            edges=edges(world.graph),
            happenings=tuple(draft.happenings),
        )
