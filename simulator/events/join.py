"""Arrivals."""

from __future__ import annotations

from typing import ClassVar, Literal

from simulator.events.contract import Stage
from simulator.events.named import NamedPeers
from simulator.events.world import World


class Join(NamedPeers):
    """Peers join that have not joined before; their neighbours are those of the initial graph."""

    stage: ClassVar[Stage] = "membership"
    do: Literal["join"] = "join"

    def resolve(self, world: World) -> None:
        """Add the peers."""
        peers = world.named(self.peers)
        for peer in peers:
            world.membership.join(peer)
            world.enter(peer)
        world.tell("join", peers)
