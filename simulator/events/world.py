"""The simulation state while a scenario is resolved: membership, the graph, the peers' rows, and requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from clients.corrections import Correction, Corrections
from clients.data import Dataset, DatasetSpec
from clients.unlearning.general.contract import MethodSpec
from server.membership import Membership
from server.timeline import CrashPhase, Erasure, Happening
from server.topology import Graph, Repair, attach
from server.topology.repair import remove
from simulator.events.shares import Shares


@dataclass(frozen=True)
class Pending:
    """A request that waits until its peer is present: its number, kind, event and peer, the ids it names, the round ``asked`` in which it
    was made, the method, None if the peer chooses it, and the ``correction``, None if the ids are to be forgotten.
    """

    request: int
    kind: str
    event: int
    peer: int
    ids: tuple[int, ...]
    asked: int
    method: MethodSpec | None = None
    correction: Correction | None = None

    @property
    def do(self) -> str:
        """The kind of happening in the timeline."""
        return "delete" if self.correction is None else "correct"


@dataclass
class Draft:
    """The events of the current round so far; see `server.timeline.Round` for the fields."""

    erased: set[int] = field(default_factory=set)
    forget: dict[int, set[int]] = field(default_factory=dict)
    arrive: dict[int, set[int]] = field(default_factory=dict)
    correct: dict[int, list[Correction]] = field(default_factory=dict)
    crash: dict[int, CrashPhase] = field(default_factory=dict)
    happenings: list[Happening] = field(default_factory=list)


@dataclass(frozen=True)
class Setting:
    """The initial state of a `World`.

    Parameters
    ----------
    seed, rounds : int
    graph : networkx.Graph
        The graph of all peers, including those that join later.
    repair : {"none", "bridge", "rewire"}
        How the graph is repaired when a peer is erased.
    dealt : sequence of int arrays
        Row ids of each peer.
    labels : int array
        Label of every row of the data set.
    groups : mapping of str to sequence of int
    outside : iterable of int
        Peers that join later.
    connected : bool
        Whether peers have neighbours; otherwise they only have a server.
    numbers : int array, optional
        Ids of the rows, ascending, if they are not 0, 1, ...
    """

    seed: int
    rounds: int
    graph: Graph
    repair: Repair
    dealt: Sequence[npt.NDArray[np.int64]]
    labels: npt.NDArray[np.int64]
    groups: Mapping[str, Sequence[int]] = field(default_factory=dict)
    outside: Iterable[int] = ()
    connected: bool = True
    numbers: npt.NDArray[np.int64] | None = None


class World(Shares):
    """The simulation state that events read and change, starting from a `Setting`; see also `Shares`.

    Attributes
    ----------
    online : set of int
        The peers present in this round: members that are neither offline nor away by churn.
    late : dict of int to dict of int to int
        Delay in rounds by round and peer.
    reborn : dict of int to int
        New generation of each peer that came back after an erasure and has not been present since.
    returns : list of (peer, generation, rows, absent edges, corrections)
        The rows with which erased peers came back, the edges among them that they had been asked to forget, and what they had been asked to
        correct.
    data_edges : int array, shape (m, 2)
        Edges between rows of the data set; the id of edge ``i`` is the number of rows plus ``i``.
    edge_learners : set of int
        Peers whose main model learns from edges among their rows.
    coming : dict of int to dict of int to list of int
        Rows that later events bring, by the number of the event and by peer.
    requested : dict of int to int
        Number of the last request that an event has made, by the number of the event.
    arrived : dict of int to set of int
        Rows that have reached peers which have not been present since.
    corrected : dict of int to list of Correction
        What each peer has been asked to correct.
    data : Dataset, optional
        The rows of all peers.
    facts : DatasetSpec, optional
        The data set's table, with the facts by which ``data`` is encoded.
    """

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting.seed, setting.dealt, setting.labels, setting.groups, setting.numbers)
        self.rounds = setting.rounds
        self.connected = setting.connected
        self.first_graph, self.graph = setting.graph.copy(), setting.graph
        self.refusing: set[int] = set()
        self.late: dict[int, dict[int, int]] = {}
        self.erasures: list[Erasure] = []
        self.pending: list[Pending] = []
        self.reborn: dict[int, int] = {}
        self.returns: list[tuple[int, int, tuple[int, ...], tuple[int, ...], tuple[Correction, ...]]] = []
        self.online: set[int] = set()
        self.data_edges: npt.NDArray[np.int64] = np.empty((0, 2), np.int64)
        self.edge_learners: set[int] = set()
        self.coming: dict[int, dict[int, list[int]]] = {}
        self.arrived: dict[int, set[int]] = {}
        self.corrected: dict[int, list[Correction]] = {}
        self.data: Dataset | None = None
        self.facts: DatasetSpec | None = None
        self.draft = Draft()
        self.round = 0
        self.requests = 0
        self.requested: dict[int, int] = {}
        self._repair = setting.repair
        absent = sorted(set(setting.outside))
        self.membership = Membership(len(setting.dealt), absent)
        self.graph.remove_nodes_from(absent)

    def edges_among(self, peer: int) -> list[int]:
        """Return the ids of the data set's edges among the rows a peer holds, forgotten ones included, ascending."""
        inside = np.isin(self.data_edges, sorted(self.rows[peer])).all(axis=1)
        return [len(self.labels) + int(place) for place in np.flatnonzero(inside)]

    def held_edges(self, peer: int) -> list[int]:
        """Return the ids of the edges a peer holds and has not been asked to forget, ascending."""
        return [edge for edge in self.edges_among(peer) if edge not in self.asked]

    def ends(self, ids: Iterable[int]) -> dict[int, tuple[int, int]]:
        """Return the two rows that each of the edges among some ids joins."""
        if not len(self.data_edges):
            return {}
        first = len(self.labels)
        return {one: (int(a), int(b)) for one in ids if one >= first for a, b in [self.data_edges[one - first]]}

    def counted(self, ids: Sequence[int]) -> str:
        """Return the number of rows, or edges, with these ids, in words: ``7 rows``."""
        edges = self.ends(ids)
        return f"{len(edges)} edge{'' if len(edges) == 1 else 's'}" if edges else f"{len(ids)} rows"

    def tell(self, do: str, peers: Iterable[int], detail: str = "") -> None:
        """Add a line to the timeline."""
        self.draft.happenings.append(Happening(do=do, peers=tuple(sorted(peers)), detail=detail, event=self.event))

    def new_request(self) -> int:
        """Return the number of a new request; every erasure of one event shares it."""
        self.requests += 1
        self.requested[self.event] = self.requests - 1
        return self.requests - 1

    def hold(self, peer: int) -> tuple[int, ...]:
        """Return the rows a peer still holds, including those with a pending deletion, ascending."""
        due = {one for due in self.pending if due.peer == peer and due.correction is None for one in due.ids}
        return tuple(sorted(self.rows[peer] | (due - self.ends(due).keys())))

    def ask(self, request: Pending) -> None:
        """Schedule a deletion of rows, or edges, for when the peer is next present."""
        self.rows[request.peer].difference_update(request.ids)
        self.asked.update(request.ids)
        self.pending.append(request)

    @property
    def uncorrectable(self) -> str | None:
        """Why no row of this data set can be corrected, or None."""
        if self.users is not None:
            return "rows are ratings of users, which are deleted and not corrected"
        return "rows are nodes of a graph, which are deleted and not corrected" if len(self.data_edges) else None

    def otherwise(self, rows: Sequence[int], right: Correction) -> list[int]:
        """Return which of some rows, all of the same peers, do not have the class or the value of a correction, ascending."""
        if right.column is None:
            return [row for row, label in zip(rows, self.labels_of(rows).tolist(), strict=True) if label != right.label]
        assert self.data is not None
        told = Corrections().joined(one for asked in self.corrected.values() for one in asked)
        held = self.data.x[self.data.at(rows), right.column].tolist()
        return [row for row, value in zip(rows, held, strict=True) if told.cells.get((row, right.column), value) != right.value]

    def correct(self, request: Pending) -> None:
        """Schedule a correction for when the peer is next present; later events choose rows by what they should have had."""
        assert request.correction is not None
        if request.correction.label is not None:
            self.relabel(request.ids, request.correction.label)
        self.corrected.setdefault(request.peer, []).append(request.correction)
        self.pending.append(request)

    def take_in(self, peer: int, rows: Iterable[int]) -> None:
        """Let rows reach a peer, which takes them in when it is next present."""
        self.rows[peer].update(rows)
        self.arrived.setdefault(peer, set()).update(rows)

    def carry_out(self) -> None:
        """Let present peers take in the rows that have reached them, and carry out their pending requests in the order of their making."""
        for peer in sorted(self.arrived.keys() & self.online):
            self.draft.arrive[peer] = self.arrived.pop(peer)
        for due in [due for due in self.pending if due.peer in self.online]:
            self.pending.remove(due)
            if due.correction is None:
                self.draft.forget.setdefault(due.peer, set()).update(due.ids)
            else:
                self.draft.correct.setdefault(due.peer, []).append(due.correction)
            self.erasures.append(self._erasure(due))
            if due.asked < self.round:
                detail = f"{self.counted(due.ids)}, asked for in round {due.asked}"
                self.draft.happenings.append(Happening(do=due.do, peers=(due.peer,), detail=detail, event=due.event))

    def _erasure(self, due: Pending) -> Erasure:
        """Return the erasure that carries out a request for rows, or edges."""
        generation, edges = self.membership.generation(due.peer), self.ends(due.ids)
        rows = tuple(one for one in due.ids if one not in edges)
        where = {"index": 0, "request": due.request, "round": self.round, "peer": due.peer, "generation": generation}
        return Erasure(kind=due.kind, rows=rows, edges=edges, method=due.method, correction=due.correction, **where)

    def restart(self, peer: int) -> None:
        """Restart an erased peer with the rows and edges that it has not been asked to forget."""
        self.enter(peer)
        self.reborn[peer] = self.membership.generation(peer)
        absent = tuple(edge for edge in self.edges_among(peer) if edge in self.asked)
        told = tuple(self.corrected.get(peer, ()))
        self.returns.append((peer, self.reborn[peer], tuple(sorted(self.rows[peer])), absent, told))

    def erase(self, kind: str, peers: Iterable[int], method: MethodSpec | None = None) -> str:
        """Carry out the erasure of peers that the membership already marks as erased; return a description for the timeline."""
        request = self.new_request()
        gone = sorted(peers)
        for peer in gone:
            where = {"index": 0, "request": request, "round": self.round, "peer": peer, "generation": self.membership.generation(peer)}
            self.erasures.append(Erasure(kind=kind, rows=self.hold(peer), method=method, **where))
            self.draft.erased.add(peer)
            self.arrived.pop(peer, None)
        waiting = {peer: [due for due in self.pending if due.peer == peer] for peer in gone}
        self.pending = [due for due in self.pending if due.peer not in gone]
        told = [f"covers the {_what(due)} still due from peer {peer}" for peer, due in waiting.items() if due]
        lost, drawn = remove(self.graph, gone, self._repair, self.seed, "repair", self.round, self.event)
        told += [f"{len(lost)} edges vanish"] if lost else []
        told += ["new edges " + " ".join(f"{a}-{b}" for a, b in drawn)] if drawn else []
        return "; ".join(told)

    def enter(self, peer: int) -> None:
        """Add a peer to the graph, linked to its first neighbours if they are present, otherwise to as many other peers."""
        if not self.connected:
            self.graph.add_node(peer)
            return
        wished = sorted(self.first_graph[peer])
        attach(self.graph, peer, wished, len(wished), self.seed, "attach", self.round, peer)


def _what(due: Sequence[Pending]) -> str:
    """Return what pending requests are, in words."""
    return "deletions" if all(one.correction is None for one in due) else "requests"
