"""Returns."""

from __future__ import annotations

from typing import ClassVar, Literal

from simulator.events.contract import Stage
from simulator.events.named import NamedPeers
from simulator.events.world import World


class Rejoin(NamedPeers):
    """Peers come back: early from offline, from their last state after a silent departure, or from scratch after an erasure.

    An erased peer gets no state back: it is a new generation with its own random streams, and has its rows except those that it was asked
    to forget before.
    """

    stage: ClassVar[Stage] = "membership"
    do: Literal["rejoin"] = "rejoin"

    def resolve(self, world: World) -> None:
        """Bring the peers back."""
        peers = world.named(self.peers)
        anew = [peer for peer in peers if world.membership.rejoin(peer)]
        for peer in anew:
            world.restart(peer)
        told = ", ".join(f"peer {peer} anew as generation {world.membership.generation(peer)}" for peer in anew)
        world.tell("rejoin", peers, told)
