"""Late erasures: requests to erase peers that may have left long ago."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from clients.unlearning.general import AnyMethod
from simulator.events.contract import Stage
from simulator.events.named import NamedPeers
from simulator.events.world import World


class Erase(NamedPeers):
    """Peers that left silently are erased later, by ``method`` if given; named members leave and are erased at once.

    Parameters
    ----------
    method : str or table, optional
        Unlearning method; see ``lethe methods``.
    """

    stage: ClassVar[Stage] = "membership"
    do: Literal["erase"] = "erase"
    # an unset key is left out, so that plans from before this key existed keep their hash
    method: AnyMethod | None = Field(None, exclude_if=lambda method: method is None)

    @property
    def request(self) -> str:
        """Kind of the request that the event makes."""
        return "peer"

    def resolve(self, world: World) -> None:
        """Erase the peers."""
        peers = world.named(self.peers)
        for peer in peers:
            world.membership.erase(peer)
        world.tell("erase", peers, world.erase(self.request, peers, self.method))
