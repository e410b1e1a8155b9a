"""How events name peers, and the error of impossible events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

if TYPE_CHECKING:
    pass


class EventError(ValueError):
    """An event that cannot happen; the message is one line with value and cure."""


def _peers(value: Any) -> Any:
    """Validate peers explicitly, so that a wrong value gives one error instead of one per type in the union."""
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
