"""Returns."""

from __future__ import annotations

from typing import ClassVar, Literal

from simulator.events.contract import EventSpec, Stage
from simulator.events.peers import Peers
from simulator.events.world import World


class Rejoin(EventSpec):
    """Peers come back: early from offline, after a silent departure where they stopped, after an erasure as if they were new.

    An erased peer gets nothing back: a new generation with its own random streams, with its rows except those it was asked to forget
    before.

    Parameters
    ----------
    peers : list of int or str
        Numbers of peers, or the name of a group.
    """

    stage: ClassVar[Stage] = "membership"
    do: Literal["rejoin"] = "rejoin"
    peers: Peers

    def resolve(self, world: World) -> None:
        """Bring them back."""
        peers = world.named(self.peers)
        anew = [peer for peer in peers if world.membership.rejoin(peer)]
        for peer in anew:
            world.restart(peer)
        told = ", ".join(f"peer {peer} anew as generation {world.membership.generation(peer)}" for peer in anew)
        world.tell("rejoin", peers, told)
