"""The contract of events in scenarios."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import PositiveInt

from clients.spec import Spec

if TYPE_CHECKING:
    from simulator.events.shares import Shares
    from simulator.events.world import World

Stage = Literal["membership", "request", "fault", "server"]
STAGES: tuple[Stage, ...] = ("membership", "request", "fault", "server")
"""Order of events inside a round."""


class EventSpec(Spec):
    """An event in a round. ``resolve`` applies it to the simulation state at the event's turn.

    Order inside a round: membership, requests, faults, server; within each, the order of the file.

    Parameters
    ----------
    round : int
        The round of the event, from 1.
    """

    stage: ClassVar[Stage]
    needs_neighbours: ClassVar[bool] = False
    """Whether the event concerns edges between peers, or the seeds sent over them."""
    brings_rows: ClassVar[bool] = False
    """Whether rows reach peers that begin without them."""
    corrects_rows: ClassVar[bool] = False
    """Whether rows of peers are corrected."""
    round: PositiveInt

    @property
    def turn(self) -> Stage:
        """Its place in the order inside a round; an event with a key named ``stage`` says it here."""
        return self.stage

    @property
    def public(self) -> Self:
        """The event without words that stay with its peer."""
        return self

    @property
    def request(self) -> str | None:
        """Kind of the request that the event makes, a name registered under ``lethe.requests``; None if nothing must be forgotten."""
        return None

    def withhold(self, shares: Shares) -> dict[int, list[int]]:
        """Take rows that the event brings out of the peers' shares, before the first round, and return them by peer; by default none."""
        return {}

    @abstractmethod
    def resolve(self, world: World) -> None:
        """Apply the event; ``EventError`` or ``MembershipError`` if it is not possible."""
