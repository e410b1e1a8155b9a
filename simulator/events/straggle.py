"""Slow peers."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import PositiveInt

from simulator.events.contract import Stage
from simulator.events.named import NamedPeers
from simulator.events.world import World


class Straggle(NamedPeers):
    """For ``rounds`` rounds, what the peers send, seeds or updates, arrives ``delay`` rounds later than usual.

    Parameters
    ----------
    delay : int
        Number of rounds by which it is late.
    rounds : int
        Number of rounds in which it is delayed.
    """

    stage: ClassVar[Stage] = "fault"
    do: Literal["straggle"] = "straggle"
    delay: PositiveInt = 1
    rounds: PositiveInt = 1

    def resolve(self, world: World) -> None:
        """Schedule the delays."""
        peers = world.named(self.peers)
        for peer in peers:
            world.membership.require_member(peer, "straggle")
        for later in range(world.round, min(world.round + self.rounds, world.rounds + 1)):
            world.late.setdefault(later, {}).update(dict.fromkeys(peers, self.delay))
        world.tell("straggle", peers, f"{self.delay} rounds late for {self.rounds} rounds")
