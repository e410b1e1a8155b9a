"""Late erasures: the request comes when the peer may have gone long ago."""

from __future__ import annotations

from typing import ClassVar, Literal

from simulator.events.contract import EventSpec, Stage
from simulator.events.peers import Peers
from simulator.events.world import World


class Erase(EventSpec):
    """Peers that fell silent are erased after all; members that are named leave with it."""

    stage: ClassVar[Stage] = "membership"
    do: Literal["erase"] = "erase"
    peers: Peers

    def resolve(self, world: World) -> None:
        """Erase them."""
        peers = world.named(self.peers)
        for peer in peers:
            world.membership.erase(peer)
        world.tell("erase", peers, world.erase(peers))
