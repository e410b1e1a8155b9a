"""What an event of a scenario is."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import PositiveInt

from clients.spec import Spec

if TYPE_CHECKING:
    from simulator.events.world import World

Stage = Literal["membership", "request", "fault", "server"]
STAGES: tuple[Stage, ...] = ("membership", "request", "fault", "server")
"""The order inside a round."""


class EventSpec(Spec):
    """Something that happens in a round. ``resolve`` acts on the world as it is when the event's turn comes.

    Order inside a round: membership, requests, faults, what the server does; within each, as in the file.

    Parameters
    ----------
    round : int
        The round in which it happens, from 1.
    """

    stage: ClassVar[Stage]
    needs_neighbours: ClassVar[bool] = False
    """Whether it is about edges between peers, or the seeds that travel over them."""
    round: PositiveInt

    @property
    def request(self) -> str | None:
        """The kind of request it makes, by a name registered under ``lethe.requests``; None where nothing has to be forgotten."""
        return None

    @abstractmethod
    def resolve(self, world: World) -> None:
        """Make it happen; ``EventError`` or ``MembershipError`` where it cannot."""
