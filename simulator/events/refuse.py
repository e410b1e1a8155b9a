"""Dishonest neighbours."""

from __future__ import annotations

from typing import ClassVar, Literal

from simulator.events.contract import Stage
from simulator.events.named import NamedPeers
from simulator.events.world import World


class Refuse(NamedPeers):
    """From this round on, the peers keep every seed that they are told to drop; a negative control of the audits."""

    stage: ClassVar[Stage] = "fault"
    needs_neighbours: ClassVar[bool] = True
    do: Literal["refuse"] = "refuse"

    def resolve(self, world: World) -> None:
        """Mark the peers as dishonest."""
        peers = world.named(self.peers)
        for peer in peers:
            world.membership.require_member(peer, "refuse")
        world.refusing.update(peers)
        world.tell("refuse", peers, "drop no seed from now on")
