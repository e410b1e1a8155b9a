"""Deletions of rows, and of edges among them."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from clients.unlearning.general import AnyMethod
from simulator.events.contract import EventSpec, Stage
from simulator.events.edge_choice import Edges
from simulator.events.edge_choice import choose as choose_edges
from simulator.events.peers import EventError, Peers
from simulator.events.rows import Chosen
from simulator.events.world import Pending, World


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
