"""Deletions of rows, and of edges among them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from clients.spec import Spec
from clients.streams import bottom
from clients.unlearning.general import AnyMethod
from simulator.events.contract import EventSpec, Stage
from simulator.events.edge_choice import Edges
from simulator.events.edge_choice import choose as choose_edges
from simulator.events.peers import EventError, Peers
from simulator.events.world import Pending, World


class Chosen(Spec):
    """Selection of rows: a random ``fraction`` of each peer's (at least one), rows by their ``ids`` in the data set, all rows of the class
    named ``label``, or all rows of a ``user`` (if rows belong to users).

    Parameters
    ----------
    fraction : float, optional
        A fraction of each peer's rows, at least one, drawn at random.
    ids : list of int, optional
        Ids of rows in the data set.
    label : int or str, optional
        The name of a class, all rows of which are deleted.
    user : int, optional
        A user, all rows of whom are deleted.
    """

    fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    ids: Annotated[tuple[int, ...], Field(min_length=1)] | None = None
    label: int | str | None = None
    user: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Chosen:
        if sum(way is not None for way in (self.fraction, self.ids, self.label, self.user)) != 1:
            raise ValueError("needs exactly one of fraction, ids, label, user: name the rows in one way")
        return self

    def choose(self, world: World, peers: list[int]) -> dict[int, list[int]]:
        """Return the rows each peer must forget, ascending; peers without any are left out."""
        if self.fraction is not None:
            shares = {peer: max(1, round(self.fraction * len(world.rows[peer]))) for peer in peers}
            return {peer: sorted(bottom(shares[peer], world.rows[peer], world.seed, "delete", world.event, peer)) for peer in peers}
        if self.label is not None:
            chosen = {peer: rows for peer in peers if (rows := world.labelled(peer, self.label))}
            if peers and not chosen:
                held = np.unique(world.labels_of(sorted(world.rows[peers[0]])))
                some = ", ".join(world.classes[label] for label in held[:20])
                raise EventError(f"peer {peers[0]} has no row of class {self.label} (left): name a class it holds: {some}")
            return chosen
        if self.user is not None:
            return self._by_user(world, peers, self.user)
        return self._by_id(world, peers)

    def _by_user(self, world: World, peers: list[int], user: int) -> dict[int, list[int]]:
        """Return a user's rows by their holder."""
        if world.users is None:
            raise EventError("the rows of this data set belong to no users: name a fraction, ids or a label")
        own = set(np.flatnonzero(world.users == user).tolist())
        chosen = {peer: rows for peer in peers if (rows := sorted(world.rows[peer] & own))}
        if peers and not chosen:
            some = ", ".join(map(str, np.unique(world.users[sorted(world.rows[peers[0]])])[:3]))
            raise EventError(f"peer {peers[0]} has no row of user {user} (left): name a user it holds, such as {some}")
        return chosen

    def _by_id(self, world: World, peers: list[int]) -> dict[int, list[int]]:
        """Return the named rows by their holder."""
        ids = self.ids or ()
        if len(set(ids)) < len(ids):
            raise EventError(f"row {next(row for row in ids if ids.count(row) > 1)} is named twice: name it once")
        chosen = {peer: sorted(world.rows[peer].intersection(ids)) for peer in peers}
        missing = sorted(set(ids).difference(*chosen.values()))
        if missing and peers:
            listed = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
            asked, some = world.asked.intersection(missing), ", ".join(map(str, sorted(world.rows[peers[0]])[:3]))
            why = f"; row {min(asked)} was deleted before" if asked else ""
            raise EventError(f"row ids {listed} are not held by peer {peers[0]}{why}: name rows it holds, such as {some}")
        return {peer: rows for peer, rows in chosen.items() if rows}


class Delete(EventSpec):
    """Members must forget rows, or edges among their rows, by ``method`` if one is named.

    An absent peer does so in the first round in which it is present again.

    Parameters
    ----------
    peer : int, optional
        The peer that must forget.
    peers : list of int or str, optional
        The peers that must forget: their numbers, or the name of a group.
    rows : table, optional
        The rows to forget.
    edges : int or list of pairs, optional
        The edges among their rows to forget: a number, drawn at random, or pairs of row ids.
    method : str or table, optional
        The unlearning method; see ``lethe methods``.
    """

    stage: ClassVar[Stage] = "request"
    do: Literal["delete"] = "delete"
    peer: int | None = None
    peers: Peers | None = None
    # keys that are not set are left out, so that plans from before these keys existed keep their hash
    rows: Chosen | None = Field(None, exclude_if=lambda rows: rows is None)
    edges: Edges | None = Field(None, exclude_if=lambda edges: edges is None)
    method: AnyMethod | None = Field(None, exclude_if=lambda method: method is None)

    @model_validator(mode="after")
    def _one_way(self) -> Delete:
        if (self.peer is None) == (self.peers is None):
            raise ValueError("needs either peer or peers: say whose rows in one way")
        if (self.rows is None) == (self.edges is None):
            raise ValueError("needs either rows or edges: say what must be forgotten in one way")
        return self

    @property
    def request(self) -> str:
        """The kind of request that this event makes."""
        return "rows" if self.rows else "edges"

    def resolve(self, world: World) -> None:
        """Schedule the deletions for when their peers are next present."""
        peers = world.named((self.peer,) if self.peer is not None else self.peers or ())
        erased_now = [peer for peer in peers if peer in world.draft.erased]
        for peer in erased_now:
            world.tell("delete", [peer], "covered by the peer's erasure in this round")
        peers = [peer for peer in peers if peer not in erased_now]
        for peer in peers:
            world.membership.require_member(peer, f"delete {self.request}")
        chosen = self.rows.choose(world, peers) if self.rows else choose_edges(world, peers, self.edges or ())
        for peer, ids in chosen.items():
            if not world.rows[peer] - set(ids):
                raise EventError(f"peer {peer} would keep no row of its {len(ids)}: use leave with erase = true, or delete fewer")
        request = world.new_request() if chosen else -1
        for peer, ids in chosen.items():
            waits = "" if peer in world.online else "; due when the peer is present again"
            world.ask(Pending(request, self.request, world.event, peer, tuple(sorted(ids)), world.round, self.method))
            world.tell("delete", [peer], f"{world.counted(ids)}{self._of_class(world, peer)}{waits}")

    def _of_class(self, world: World, peer: int) -> str:
        """Return the class whose rows are deleted, in words; empty if rows are not selected by class."""
        if self.rows is None or self.rows.label is None:
            return ""
        return f" of class {world.classes[world.class_called(self.rows.label, peer)]}"
