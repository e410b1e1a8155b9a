"""Absences."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import PositiveInt

from simulator.events.contract import Stage
from simulator.events.named import NamedPeers
from simulator.events.world import World


class Offline(NamedPeers):
    """Members are offline for ``rounds`` rounds, this one included, or until a ``rejoin``; their seeds stay in use.

    Parameters
    ----------
    rounds : int, optional
        Number of rounds, this one included; default: until a ``rejoin``.
    """

    stage: ClassVar[Stage] = "membership"
    do: Literal["offline"] = "offline"
    rounds: PositiveInt | None = None

    def resolve(self, world: World) -> None:
        """Take the peers offline."""
        peers = world.named(self.peers)
        for peer in peers:
            world.membership.offline(peer, self.rounds)
        until = f"until round {world.round + self.rounds}" if self.rounds else "until they rejoin"
        world.tell("offline", peers, until)
