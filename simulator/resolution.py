"""Drawing every random choice of a scenario: data, deal, graph, events, churn."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np

from clients.brief import Brief
from clients.data import DataError, Dataset, load
from clients.models import ModelSpec
from clients.spec import Spec
from clients.streams import order
from clients.unlearning.contract import Ids, Problem, Rows, UnlearnerSpec
from server.membership import MembershipError
from server.timeline import Erasure, Happening, Round, Timeline
from server.topology import TopologyError, draw, edges
from simulator.churn import ChurnError
from simulator.complaints import name_place
from simulator.errors import ScenarioError
from simulator.events import STAGES, EventError, EventSpec
from simulator.events.join import Join
from simulator.events.world import Draft, World
from simulator.plan import Plan
from simulator.scenario import Scenario

T = TypeVar("T")


def resolve(scenario: Scenario) -> Plan:
    """Return the plan; see `simulator.plan.resolve`."""
    return _Resolution(scenario).plan()


@dataclass
class _Resolution:
    """One scenario on its way to a plan, and what has been found wrong with it."""

    scenario: Scenario
    lines: list[str] = field(default_factory=list)

    def plan(self) -> Plan:
        """Return the plan, or raise all that is wrong."""
        scenario = self.scenario
        data = self._attempt("data", lambda: load(scenario.data.source()))
        graph = self._attempt("topology", lambda: draw(scenario.topology, scenario.peers.count, scenario.seed))
        briefs = self._briefs(data) if data is not None else ()
        self._check_rounds()
        self._give_up()
        assert data is not None
        assert graph is not None
        world = World(
            scenario.seed,
            scenario.rounds,
            graph,
            scenario.topology.on_leave,
            [np.asarray(brief.rows, dtype=np.int64) for brief in briefs],
            data.y,
            scenario.peers.groups,
            self._outside(),
        )
        rounds = tuple(self._rounds(world))
        timeline = Timeline(rounds=rounds, erasures=_numbered(world))
        self._check_expectations(timeline)
        self._give_up()
        returns = tuple(briefs[peer].model_copy(update={"generation": g, "rows": rows}) for peer, g, rows in world.returns)
        sha256 = hashlib.sha256(np.ascontiguousarray(data.x).data)
        sha256.update(np.ascontiguousarray(data.y).data)
        sha256.update(np.ascontiguousarray(data.edges).data)
        return Plan(
            scenario=scenario,
            data_sha256=sha256.hexdigest(),
            shape=data.shape,
            labels=data.labels,
            briefs=briefs,
            returns=returns,
            timeline=timeline,
        )

    def _attempt(self, place: str, make: Callable[[], T]) -> T | None:
        """Return what is made, or write down why it cannot be."""
        try:
            return make()
        except (DataError, TopologyError, ChurnError, EventError, MembershipError) as error:
            self._wrong(place, str(error))
            return None

    def _wrong(self, place: str, what: str) -> None:
        """Write down a line."""
        self.lines.append(f"{self.scenario.source}: {place}: {what}")

    def _give_up(self) -> None:
        """Raise all that has been found wrong, if anything has."""
        if self.lines:
            raise ScenarioError(self.lines)

    def _briefs(self, data: Dataset) -> tuple[Brief, ...]:
        """Return what each peer is told, without any where the rows cannot be dealt."""
        scenario = self.scenario
        reference, test, rest = self._aside(data)
        if not len(rest):
            return ()
        deal = scenario.data.partition.deal
        dealt = self._attempt("data.partition", lambda: deal(data, rest, scenario.peers.count, scenario.seed))
        self._check_models(data, dealt)
        source, mains = scenario.data.source(), scenario.peers.main
        public = {"reference": tuple(reference.tolist()), "test": tuple(test.tolist())}
        tables: dict[str, Any] = {name: getattr(scenario, name) for name in ("rounds", "training", "distillation", "ensemble")}
        return tuple(
            Brief(
                run_seed=scenario.seed,
                peer=peer,
                data=source,
                rows=tuple(rows.tolist()),
                main=mains[peer % len(mains)],
                seed=scenario.peers.seed,
                **public,
                **tables,
            )
            for peer, rows in enumerate(dealt or ())
        )

    def _aside(self, data: Dataset) -> tuple[Ids, Ids, Ids]:
        """Return the ids of reference, test and remaining rows, each ascending; the first in the order of their hashes are public."""
        table = self.scenario.data
        public = table.reference + table.test
        if public >= len(data):
            self._wrong(
                "data",
                f"reference = {table.reference} and test = {table.test} leave none of {len(data)} rows to deal: lower them",
            )
            return (np.empty(0, dtype=np.int64),) * 3
        shuffled = order(np.arange(len(data)), self.scenario.seed, "aside").astype(np.int64)
        parts = np.split(shuffled, [table.reference, public])
        return np.sort(parts[0]), np.sort(parts[1]), np.sort(parts[2])

    def _check_models(self, data: Dataset, dealt: Sequence[Ids] | None) -> None:
        """Write down models that cannot take the data or their peers' rows."""
        peers = self.scenario.peers
        if data.classes < 2:
            self._wrong("data", f"every row is of class {data.labels[0]!r}: choose data with at least two classes")
            return
        for place, spec in [(f"peers.main.{i}", main) for i, main in enumerate(peers.main)] + [("peers.seed", peers.seed)]:
            if refusal := _unfit(spec, data):
                self._wrong(place, refusal)
            model = getattr(spec, "base", spec)
            try:
                if isinstance(model, ModelSpec):
                    model.parameters(data.shape, data.classes)
            except NotImplementedError:
                continue  # it does not tell before it is built
            except ValueError as error:
                self._wrong(place, str(error))
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
                self._wrong(f"peers.main.{i}", f"peer {peer}: {wrong}")
                return

    def _check_rounds(self) -> None:
        """Write down events and expectations after the last round."""
        scenario, last = self.scenario, self.scenario.rounds
        numbers = [(("event", i, "round"), event.round) for i, event in enumerate(scenario.event)]
        numbers += [(("expect", i, "after"), expect.after) for i, expect in enumerate(scenario.expect)]
        for place, number in numbers:
            if number > last:
                self._wrong(name_place(place), f"is {number}, after the last round {last}: lower it, or raise rounds")

    def _outside(self) -> list[int]:
        """Return the peers that join later: whoever is named in a join."""
        peers = self.scenario.peers
        named = [event.peers for event in self.scenario.event if isinstance(event, Join)]
        members = [peer for names in named for peer in (peers.groups.get(names, ()) if isinstance(names, str) else names)]
        return sorted(peer for peer in set(members) if 0 <= peer < peers.count)

    def _away(self, world: World) -> dict[int, set[int]]:
        """Return who is away by churn in each round."""
        churn = self.scenario.churn
        if churn is None:
            return {}
        peers = self._attempt("churn.peers", lambda: world.named(churn.peers) if churn.peers is not None else sorted(world.rows))
        return self._attempt("churn", lambda: churn.away(peers or (), world.rounds, world.seed)) or {}

    def _rounds(self, world: World) -> Iterator[Round]:
        """Play the events, round after round."""
        schedule = self._away(world)
        gone: set[int] = set()
        for now in range(1, world.rounds + 1):
            world.round, world.draft, world.event = now, Draft(), -1
            if back := world.membership.open_round(now):
                world.draft.happenings.append(Happening(do="back", peers=tuple(back), detail="online again"))
            away = schedule.get(now, set())
            for stage in STAGES:
                self._play(world, stage)
                if stage == "membership":
                    online = set(world.membership.online())
                    _tell_churn(world, away & online, gone & online)
                    gone = away & online
                    world.online = online - away
            world.carry_out()
            if now == world.rounds:
                _tell_undone(world)
            yield _round(world)

    def _play(self, world: World, stage: str) -> None:
        """Let the events of a stage of the current round happen, in the order of the file."""
        for i, event in enumerate(self.scenario.event):
            if event.round == world.round and event.stage == stage:
                world.event = i
                place = f"{name_place(('event', i))}, {_named(event)}"
                self._attempt(place, partial(event.resolve, world))

    def _check_expectations(self, timeline: Timeline) -> None:
        """Write down expectations that can never be checked."""
        peers = self.scenario.peers.count
        for i, expect in enumerate(self.scenario.expect):
            place = name_place(("expect", i))
            for peer in (expect.absent, expect.peer):
                if peer is not None and peer >= peers:
                    self._wrong(place, f"peer {peer} is unknown: peers are 0 to {peers - 1}")
                    break
            else:
                if expect.equal_to is None:
                    continue
                erased = [one.round for one in timeline.erasures if one.kind == "peer" and one.peer == expect.peer]
                if not any(number <= expect.after for number in erased):
                    self._wrong(place, f"peer {expect.peer} is not erased by round {expect.after}: name an erased peer, or a later round")
                elif not self.scenario.audit.counterfactual:
                    self._wrong(place, "equal_to = 'never_joined' needs the counterfactual run: set audit.counterfactual = true")


def _kind(spec: Spec) -> str:
    """Return the tag of a table."""
    return str(getattr(spec, "kind"))  # noqa: B009  every registered spec has a tag


def _unfit(spec: Spec, data: Dataset) -> str | None:
    """Return why no peer can have this main model, whatever its rows, or None; the rows of a graph are nodes."""
    if not isinstance(spec, UnlearnerSpec) or (spec.unit == "nodes and edges" and len(data.edges)):
        return None
    if spec.unit == "nodes and edges":
        return f"{_kind(spec)} forgets nodes and edges, a peer's main model must forget rows, which here have no edges: take another kind"
    if spec.unit != "rows":
        return f"{_kind(spec)} forgets {spec.unit}, a peer's main model must forget rows: take another kind"
    if not spec.classifier:
        return f"{_kind(spec)} is no classifier, a peer's main model must predict classes: take another kind"
    return None


def _named(event: EventSpec) -> str:
    """Return an event in words."""
    return f"{getattr(event, 'do')} in round {event.round}"  # noqa: B009  every event has a tag


def _tell_churn(world: World, away: set[int], was_away: set[int]) -> None:
    """Tell who has gone away by churn, and who is back."""
    for do, peers in (("away", away - was_away), ("back", was_away - away)):
        if peers:
            world.draft.happenings.append(Happening(do=do, peers=tuple(sorted(peers)), detail="churn"))


def _tell_undone(world: World) -> None:
    """Tell which deletions never became possible."""
    for due in world.pending:
        detail = f"never carried out: {len(due.rows)} rows, asked for in round {due.asked}; the peer was not present again"
        world.draft.happenings.append(Happening(do="delete", peers=(due.peer,), detail=detail, event=due.event))


def _round(world: World) -> Round:
    """Return the current round."""
    draft, present = world.draft, tuple(sorted(world.online))
    started = {peer: world.reborn.pop(peer) for peer in present if peer in world.reborn}
    return Round(
        round=world.round,
        present=present,
        members=tuple(world.membership.members()),
        erased=tuple(sorted(draft.erased)),
        forget={peer: tuple(sorted(draft.forget[peer])) for peer in sorted(draft.forget)},
        crash=dict(sorted(draft.crash.items())),
        late={peer: delay for peer, delay in sorted(world.late.get(world.round, {}).items()) if peer in world.online},
        refusing=tuple(sorted(world.refusing.intersection(world.membership.members()))),
        generation=started,
        edges=edges(world.graph),
        happenings=tuple(draft.happenings),
    )


def _numbered(world: World) -> tuple[Erasure, ...]:
    """Return the erasures in the order in which they are carried out."""
    ordered = sorted(world.erasures, key=lambda one: (one.round, one.request, one.peer))
    return tuple(one.model_copy(update={"index": index}) for index, one in enumerate(ordered))
