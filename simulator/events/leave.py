"""Departures."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from clients.unlearning.general import AnyMethod
from simulator.events.contract import EventSpec, Stage
from simulator.events.peers import Peers
from simulator.events.select import Fraction, Select
from simulator.events.world import World


class Leave(EventSpec):
    """Members leave: with ``erase`` they are forgotten, by ``method`` if given, and the graph is repaired; without it they leave
    silently.

    The leavers are ``peers``, or those that ``select`` chooses, or a random ``fraction`` of the members.

    Parameters
    ----------
    peers : list of int or str, optional
        Numbers of peers, or the name of a group.
    select : table, optional
        Criterion by which the leavers are chosen.
    fraction : float, optional
        Share of the members that leave, drawn at random.
    erase : bool
        Whether the leavers are forgotten.
    method : str or table, optional
        Unlearning method; see ``lethe methods``.
    """

    stage: ClassVar[Stage] = "membership"
    do: Literal["leave"] = "leave"
    peers: Peers | None = None
    select: Select | None = None
    fraction: Fraction | None = None
    erase: bool = False
    # an unset key is left out, so that plans from before this key existed keep their hash
    method: AnyMethod | None = Field(None, exclude_if=lambda method: method is None)

    @model_validator(mode="after")
    def _one_way(self) -> Leave:
        if sum(way is not None for way in (self.peers, self.select, self.fraction)) != 1:
            raise ValueError("needs exactly one of peers, select, fraction: say who leaves in one way")
        if self.method is not None and not self.erase:
            raise ValueError("method says how leavers are forgotten: set erase = true, or remove method")
        return self

    @property
    def request(self) -> str | None:
        """Kind of the request that the event makes."""
        return "peer" if self.erase else None

    def resolve(self, world: World) -> None:
        """Let the leavers leave."""
        if self.peers is not None:
            leavers = world.named(self.peers)
        else:
            leavers = (self.select or Select(by="random", fraction=self.fraction)).resolve(world)
        for peer in leavers:
            world.membership.leave(peer, self.erase)
        if self.request is None:
            world.tell("leave", leavers, "silently, without a request")
        else:
            world.tell("leave", leavers, "; ".join(filter(None, ["erased", world.erase(self.request, leavers, self.method)])))
