"""An event: many peers go offline at once."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import PositiveInt

from simulator.events.contract import EventSpec, Stage
from simulator.events.world import World


class Blackout(EventSpec):
    """All members with a number of at least ``first`` are away for ``rounds`` rounds."""

    stage: ClassVar[Stage] = "membership"
    do: Literal["blackout"] = "blackout"
    first: PositiveInt
    rounds: PositiveInt = 1

    def resolve(self, world: World) -> None:
        """Take them offline."""
        dark = [peer for peer in world.membership.online() if peer >= self.first]
        for peer in dark:
            world.membership.offline(peer, self.rounds)
        world.tell("blackout", dark, f"for {self.rounds} rounds")
