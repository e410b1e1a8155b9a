"""Arrivals and exits of peers as a Poisson process, drawn when the scenario is resolved."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from clients.streams import bottom, uniform
from server.timeline import Happening
from simulator.scenarios.churn import ChurnError, ChurnSpec, Probability

if TYPE_CHECKING:
    from simulator.events.world import World

Rate = Annotated[float, Field(ge=0, le=500)]


class Poisson(ChurnSpec):
    """Arrivals and exits: in each round from ``start`` on, so many peers come and so many go as Poisson variables say.

    Whoever is present can leave, and asks to be erased with probability ``erase``; else it falls silent. Whoever is no member can arrive: a
    peer that has not joined yet, a silent leaver with its last state, or, from scratch, one that was erased. Numbers are keyed by the
    round, choices by the round and the peer, so the same seed gives the same plan. What happens to a peer by an event in the same round
    comes first; peers whose events must find them in a certain state are best left out of ``peers``.

    Parameters
    ----------
    arrivals : float
        Mean number of peers that arrive per round.
    exits : float
        Mean number of peers that leave per round.
    erase : float
        Probability that an exit asks for erasure.
    outside : int
        So many of the peers have not joined when the run begins.
    start : int
        First round in which peers arrive or leave.
    """

    kind: Literal["poisson"] = "poisson"
    arrivals: Rate
    exits: Rate
    erase: Probability = 1.0
    outside: NonNegativeInt = 0
    start: PositiveInt = 1

    def away(self, peers: Sequence[int], rounds: int, seed: int) -> dict[int, set[int]]:
        """Return no absences: peers of this process come and go for good."""
        return {}

    def absentees(self, peers: Sequence[int], seed: int) -> set[int]:
        """Return the peers that have not joined when the run begins; ``ChurnError`` if there are not so many."""
        if self.outside > len(peers):
            raise ChurnError(f"outside = {self.outside}, but the process has {len(peers)} peers: lower it")
        return set(bottom(self.outside, peers, seed, "churn", "outside"))

    def change(self, world: World, peers: Sequence[int]) -> None:
        """Let peers arrive, then others leave, in the current round."""
        if world.round < self.start:
            return
        membership, members = world.membership, set(world.membership.members())
        _arrive(world, self._chosen(world, "arrivals", (peer for peer in peers if peer not in members and membership.unchanged(peer))))
        present = set(membership.online())
        leavers = self._chosen(world, "exits", (peer for peer in peers if peer in present and membership.unchanged(peer)))
        erased = {peer for peer in leavers if uniform(world.seed, "churn", "erase", world.round, peer) < self.erase}
        _leave(world, [peer for peer in leavers if peer not in erased], erase=False)
        _leave(world, sorted(erased), erase=True)

    def _chosen(self, world: World, what: Literal["arrivals", "exits"], pool: Iterable[int]) -> list[int]:
        """Return the peers that arrive or leave in this round, ascending; all of the pool if the process asks for more."""
        key = world.seed, "churn", what, world.round
        return sorted(bottom(poisson(getattr(self, what), uniform(*key)), pool, *key, "who"))


def poisson(mean: float, level: float) -> int:
    """Return the least count whose Poisson distribution function lies above ``level``, a number in [0, 1)."""
    count, term = 0, math.exp(-mean)
    reached = term
    while reached <= level and (count < mean or reached + term > reached):  # sums of floats may stay below the highest levels
        count += 1
        term *= mean / count
        reached += term
    return count


def _arrive(world: World, peers: Sequence[int]) -> None:
    """Let peers join or come back."""
    new = [peer for peer in peers if world.membership[peer] == "outside"]
    for peer in new:
        world.membership.join(peer)
        world.enter(peer)
    back = [peer for peer in peers if peer not in new]
    anew = [peer for peer in back if world.membership.rejoin(peer)]
    for peer in anew:
        world.restart(peer)
    _tell(world, "join", new, "churn")
    told = ", ".join(f"peer {peer} anew as generation {world.membership.generation(peer)}" for peer in anew)
    _tell(world, "rejoin", back, f"churn; {told}" if told else "churn")


def _leave(world: World, peers: Sequence[int], *, erase: bool) -> None:
    """Let peers leave, erased or silently."""
    for peer in peers:
        world.membership.leave(peer, erase)
    if peers:
        told = ["churn", "erased", world.erase("peer", peers)] if erase else ["churn", "silently, without a request"]
        _tell(world, "leave", peers, "; ".join(filter(None, told)))


def _tell(world: World, do: str, peers: Sequence[int], detail: str) -> None:
    """Add a line to the timeline that no event of the scenario stands for."""
    if peers:
        world.draft.happenings.append(Happening(do=do, peers=tuple(peers), detail=detail))
