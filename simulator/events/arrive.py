"""Arrivals of rows at peers."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import model_validator

from simulator.events.contract import EventSpec, Stage
from simulator.events.peers import EventError, Peers
from simulator.events.rows import Chosen
from simulator.events.shares import Shares
from simulator.events.world import World


class Arrive(EventSpec):
    """Rows reach members that have lacked them until then: a part of what the partition deals to them.

    Each main model takes them in before its next training, as if it had been given them before its first round; an absent peer does so
    in the first round in which it is present again.

    Parameters
    ----------
    peer : int, optional
        The peer that the rows reach.
    peers : list of int or str, optional
        The peers that rows reach: their numbers, or the name of a group.
    rows : table
        The rows, of those that the partition deals to each of the peers.
    """

    stage: ClassVar[Stage] = "request"
    brings_rows: ClassVar[bool] = True
    do: Literal["arrive"] = "arrive"
    peer: int | None = None
    peers: Peers | None = None
    rows: Chosen

    @model_validator(mode="after")
    def _one_way(self) -> Arrive:
        if (self.peer is None) == (self.peers is None):
            raise ValueError("needs either peer or peers: say whom the rows reach in one way")
        return self

    def withhold(self, shares: Shares) -> dict[int, list[int]]:
        """Take the rows out of the peers' shares, before the first round, and return them by peer; ``EventError`` if that is impossible."""
        peers = shares.named((self.peer,) if self.peer is not None else self.peers or ())
        chosen = self.rows.choose(shares, peers, "arrive")
        for peer, ids in chosen.items():
            if not shares.rows[peer] - set(ids):
                raise EventError(f"peer {peer} would begin with none of its rows: let fewer arrive later")
        for peer, ids in chosen.items():
            shares.rows[peer].difference_update(ids)
        return chosen

    def resolve(self, world: World) -> None:
        """Let the rows reach their peers."""
        for peer, ids in world.coming.get(world.event, {}).items():
            world.membership.require_member(peer, "take in rows")
            world.take_in(peer, ids)
            waits = "" if peer in world.online else "; taken in when the peer is present again"
            world.tell("arrive", [peer], f"{len(ids)} rows{waits}")
