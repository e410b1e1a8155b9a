"""Departures."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import model_validator

from simulator.events.contract import EventSpec, Stage
from simulator.events.peers import Peers
from simulator.events.select import Fraction, Select
from simulator.events.world import World


class Leave(EventSpec):
    """Members go for good: with ``erase`` their seeds are dropped everywhere and the graph is repaired, without they just fall silent.

    Who goes: ``peers``, or those that ``select`` chooses, or a random ``fraction`` of the members.
    """

    stage: ClassVar[Stage] = "membership"
    do: Literal["leave"] = "leave"
    peers: Peers | None = None
    select: Select | None = None
    fraction: Fraction | None = None
    erase: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Leave:
        if sum(way is not None for way in (self.peers, self.select, self.fraction)) != 1:
            raise ValueError("needs exactly one of peers, select, fraction: say who leaves in one way")
        return self

    def resolve(self, world: World) -> None:
        """Let them go."""
        if self.peers is not None:
            leavers = world.named(self.peers)
        else:
            leavers = (self.select or Select(by="random", fraction=self.fraction)).resolve(world)
        for peer in leavers:
            world.membership.leave(peer, self.erase)
        told = "; ".join(filter(None, ["erased", world.erase(leavers)])) if self.erase else "silently, without a request"
        world.tell("leave", leavers, told)
