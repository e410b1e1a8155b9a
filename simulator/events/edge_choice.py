"""Choice of the edges among a peer's rows that must be forgotten: a number of drawn edges, or named ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, PositiveInt, WithJsonSchema

from clients.streams import bottom
from simulator.events.peers import EventError
from simulator.events.world import World

Pair = tuple[int, int]


def _edges(value: Any) -> Any:
    """Validate edges explicitly, so that a wrong value gives one error instead of one per type in the union."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    if not (isinstance(value, list | tuple) and value and all(map(_is_pair, value))):
        raise ValueError(f"is {value!r}: give a number of edges of at least 1, or pairs of row ids such as [[3, 8]]")
    return tuple(tuple(sorted(pair)) for pair in value)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(type(end) is int for end in value)


Edges = Annotated[
    PositiveInt | tuple[Pair, ...],
    BeforeValidator(_edges),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "exclusiveMinimum": 0},
                {"type": "array", "minItems": 1, "items": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}},
            ]
        }
    ),
]
"""A number of edges to draw from each peer, or edges given by the ids of the two rows that each connects, in any order."""


def choose(world: World, peers: Sequence[int], edges: int | tuple[Pair, ...]) -> dict[int, list[int]]:
    """Return the ids of the edges that each peer must forget, ascending, without peers that have none.

    ``EventError`` if a peer's main model does not use edges, or does not hold the requested edges.
    """
    if not len(world.data_edges):
        raise EventError("the rows of this data set are joined by no edges: name rows, or take dataset = 'citations'")
    if unaware := [peer for peer in peers if peer not in world.edge_learners]:
        able = ", ".join(map(str, sorted(world.edge_learners)[:3]))
        cure = f"name peers whose main model does, such as {able}" if able else "give it grapheraser"
        raise EventError(f"peer {unaware[0]} has a main model that knows no edges it could forget: {cure}")
    held = {peer: world.held_edges(peer) for peer in peers}
    return _named(world, held, edges) if isinstance(edges, tuple) else _drawn(world, held, edges)


def _drawn(world: World, held: dict[int, list[int]], count: int) -> dict[int, list[int]]:
    """Draw a number of edges from each peer."""
    for peer, own in held.items():
        if not own:
            raise EventError(f"peer {peer} has no edge (left) among its rows: name another peer")
        if len(own) < count:
            raise EventError(f"peer {peer} has {world.counted(own)} (left), fewer than {count}: ask for at most {len(own)}")
    return {peer: sorted(bottom(count, own, world.seed, "delete", world.event, peer)) for peer, own in held.items()}


def _named(world: World, held: dict[int, list[int]], pairs: tuple[Pair, ...]) -> dict[int, list[int]]:
    """Return the named edges by their holder."""
    if twice := next((pair for pair in pairs if pairs.count(pair) > 1), None):
        raise EventError(f"edge {_told(twice)} is named twice: name it once")
    wanted = set(pairs)
    chosen = {peer: [edge for edge, ends in world.ends(own).items() if ends in wanted] for peer, own in held.items()}
    found = {ends for edges in chosen.values() for ends in world.ends(edges).values()}
    if held and (missing := sorted(wanted - found)):
        raise EventError(_not_held(world, held, missing[0]))
    return {peer: edges for peer, edges in chosen.items() if edges}


def _not_held(world: World, held: dict[int, list[int]], pair: Pair) -> str:
    """Return why a named edge cannot be forgotten, and the cure."""
    peer, own = next(iter(held.items()))
    before = pair in world.ends(world.asked).values()
    row = next((row for row in pair if row in world.asked), None)
    why = "; it was deleted before" if before else f"; it went with row {row}" if row is not None else ""
    some = ", ".join(map(_told, list(world.ends(own[:3]).values()))) or "none is left"
    return f"edge {_told(pair)} is not held by peer {peer}{why}: name edges it holds, such as {some}"


def _told(pair: Pair) -> str:
    """Format an edge as in a scenario."""
    return str(list(pair))
