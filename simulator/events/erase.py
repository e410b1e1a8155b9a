"""Late erasures: the request comes when the peer may have gone long ago."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from clients.unlearning.general import AnyMethod
from simulator.events.contract import EventSpec, Stage
from simulator.events.peers import Peers
from simulator.events.world import World


class Erase(EventSpec):
    """Peers that fell silent are erased after all, by ``method`` where it is named; members that are named leave with it.

    Parameters
    ----------
    peers : list of int or str
        Numbers of peers, or the name of a group.
    method : str or table, optional
        How they are forgotten; see ``lethe methods``.
    """

    stage: ClassVar[Stage] = "membership"
    do: Literal["erase"] = "erase"
    peers: Peers
    # left out where it is not set: plans from before there was such a key keep their hash
    method: AnyMethod | None = Field(None, exclude_if=lambda method: method is None)

    @property
    def request(self) -> str:
        """The kind of request it makes."""
        return "peer"

    def resolve(self, world: World) -> None:
        """Erase them."""
        peers = world.named(self.peers)
        for peer in peers:
            world.membership.erase(peer)
        world.tell("erase", peers, world.erase(self.request, peers, self.method))
