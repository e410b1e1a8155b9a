"""Arrivals."""

from __future__ import annotations

from typing import ClassVar, Literal

from simulator.events.contract import EventSpec, Stage
from simulator.events.peers import Peers
from simulator.events.world import World


class Join(EventSpec):
    """Peers enter that were outside until then, beside those whom the first graph made their neighbours.

    Parameters
    ----------
    peers : list of int or str
        Numbers of peers, or the name of a group.
    """

    stage: ClassVar[Stage] = "membership"
    do: Literal["join"] = "join"
    peers: Peers

    def resolve(self, world: World) -> None:
        """Let them in."""
        peers = world.named(self.peers)
        for peer in peers:
            world.membership.join(peer)
            world.enter(peer)
        world.tell("join", peers)
