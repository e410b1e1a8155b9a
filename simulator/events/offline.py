"""Absences."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import PositiveInt

from simulator.events.contract import EventSpec, Stage
from simulator.events.peers import Peers
from simulator.events.world import World


class Offline(EventSpec):
    """Members are away for ``rounds`` rounds, this one included, or until a ``rejoin``; their seeds stay and count.

    Parameters
    ----------
    peers : list of int or str
        Numbers of peers, or the name of a group.
    rounds : int, optional
        For how many rounds, this one included; until a ``rejoin`` unless told.
    """

    stage: ClassVar[Stage] = "membership"
    do: Literal["offline"] = "offline"
    peers: Peers
    rounds: PositiveInt | None = None

    def resolve(self, world: World) -> None:
        """Take them offline."""
        peers = world.named(self.peers)
        for peer in peers:
            world.membership.offline(peer, self.rounds)
        until = f"until round {world.round + self.rounds}" if self.rounds else "until they rejoin"
        world.tell("offline", peers, until)
