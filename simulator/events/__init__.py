"""What a scenario can make happen: one spec for each ``do``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, PositiveInt, WithJsonSchema

from clients.spec import Registry, Spec

if TYPE_CHECKING:
    from simulator.events.world import World

Stage = Literal["membership", "request", "fault", "server"]
STAGES: tuple[Stage, ...] = ("membership", "request", "fault", "server")
"""The order inside a round."""


class EventError(ValueError):
    """An event that cannot happen; the message is one line with value and cure."""


def _peers(value: Any) -> Any:
    """Check peers by hand, so that a wrong value is answered once and not once for each type it could have been."""
    numbers = isinstance(value, list | tuple) and value and all(isinstance(peer, int) and not isinstance(peer, bool) for peer in value)
    if not numbers and not (isinstance(value, str) and value):
        raise ValueError(f"is {value!r}: give a list of peer numbers such as [0, 3], or the name of a group")
    return tuple(value) if isinstance(value, list) else value


Peers = Annotated[
    tuple[int, ...] | str,
    BeforeValidator(_peers),
    WithJsonSchema({"anyOf": [{"type": "array", "items": {"type": "integer"}, "minItems": 1}, {"type": "string"}]}),
]
"""Peer numbers, or the name of a group of ``peers.groups``."""


class EventSpec(Spec):
    """Something that happens in a round. ``resolve`` acts on the world as it is when the event's turn comes.

    Order inside a round: membership, requests, faults, what the server does; within each, as in the file.
    """

    stage: ClassVar[Stage]
    round: PositiveInt

    def resolve(self, world: World) -> None:
        """Make it happen; ``EventError`` or ``MembershipError`` where it cannot."""
        raise NotImplementedError


COMMON = {
    "crash": "simulator.events.crash:Crash",
    "cut": "simulator.events.edges:Cut",
    "delete": "simulator.events.delete:Delete",
    "join": "simulator.events.join:Join",
    "leave": "simulator.events.leave:Leave",
    "link": "simulator.events.edges:Link",
    "offline": "simulator.events.offline:Offline",
    "refuse": "simulator.events.refuse:Refuse",
    "rejoin": "simulator.events.rejoin:Rejoin",
    "straggle": "simulator.events.straggle:Straggle",
}
"""What can happen whatever the task."""

EVENTS: Registry[EventSpec] = Registry("lethe.events", {**COMMON, "erase": "simulator.events.erase:Erase"}, tag="do")
"""What can happen where peers classify."""
