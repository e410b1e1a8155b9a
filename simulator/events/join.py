"""Arrivals."""

from __future__ import annotations

from typing import ClassVar, Literal

from simulator.events.contract import EventSpec, Stage
from simulator.events.peers import Peers
from simulator.events.world import World


class Join(EventSpec):
    """Peers join that have not joined before; their neighbours are those of the initial graph.

    Parameters
    ----------
    peers : list of int or str
        Numbers of peers, or the name of a group.
    """

    stage: ClassVar[Stage] = "membership"
    do: Literal["join"] = "join"
    peers: Peers

    def resolve(self, world: World) -> None:
        """Add the peers."""
        peers = world.named(self.peers)
        for peer in peers:
            world.membership.join(peer)
            world.enter(peer)
        world.tell("join", peers)
