"""Happenings of a resolved scenario in addition to its events, and its erasures in order."""

from __future__ import annotations

from server.timeline import Erasure, Happening, Waiting
from simulator.events.world import World


def tell_churn(world: World, away: set[int], was_away: set[int]) -> None:
    """Add happenings for peers that go away by churn, and for those that come back."""
    for do, peers in (("away", away - was_away), ("back", was_away - away)):
        if peers:
            world.draft.happenings.append(Happening(do=do, peers=tuple(sorted(peers)), detail="churn"))


def tell_undone(world: World) -> None:
    """Add happenings for requests that were never carried out, and for rows that were never taken in."""
    for peer, rows in sorted(world.arrived.items()):
        detail = f"never taken in: {len(rows)} rows; the peer was not present again"
        world.draft.happenings.append(Happening(do="untaken", peers=(peer,), detail=detail))
    for due in world.pending:
        detail = f"never carried out: {world.counted(due.ids)}, asked for in round {due.asked}; the peer was not present again"
        world.draft.happenings.append(Happening(do="undone", peers=(due.peer,), detail=detail, event=due.event))


def waiting(world: World) -> tuple[Waiting, ...]:
    """Return the requests that wait for absent peers when the last round is over."""
    return tuple(Waiting(request=due.request, event=due.event, round=due.asked, peer=due.peer, ids=due.ids) for due in world.pending)


def numbered(world: World) -> tuple[Erasure, ...]:
    """Return the erasures in the order in which they are carried out, with their indices."""
    ordered = sorted(world.erasures, key=lambda one: (one.round, one.request, one.peer))
    return tuple(one.model_copy(update={"index": index}) for index, one in enumerate(ordered))
