"""Who is there: peers that join later, and what churn does to them."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.events.join import Join
from simulator.events.peers import Peers
from simulator.events.world import World
from simulator.scenarios.scenario import Scenario


def joining(scenario: Scenario) -> set[int]:
    """Return the peers that a join event names."""
    return {peer for event in scenario.event if isinstance(event, Join) for peer in _existing(scenario, event.peers)}


def absentees(scenario: Scenario) -> set[int]:
    """Return the peers that have not joined when the run begins and that churn lets in; ``ChurnError`` if it cannot be drawn."""
    churn = scenario.churn
    if churn is None:
        return set()
    concerned = range(scenario.peers.count) if churn.peers is None else sorted(set(_existing(scenario, churn.peers)))
    return churn.absentees(concerned, scenario.seed)


def _existing(scenario: Scenario, peers: Peers) -> list[int]:
    """Return those that exist of the peers that a list or a group's name stands for."""
    known = scenario.peers
    return [peer for peer in (known.groups.get(peers, ()) if isinstance(peers, str) else peers) if 0 <= peer < known.count]


def away(scenario: Scenario, world: World, concerned: Sequence[int]) -> dict[int, set[int]]:
    """Return which of the peers that churn concerns are away in each round; ``ChurnError`` if it cannot be drawn."""
    churn = scenario.churn
    if churn is None:
        return {}
    # all peers are passed, so that a trace can distinguish a peer that is not selected from one that does not exist
    found = churn.away(sorted(world.rows), world.rounds, world.seed)
    return {number: gone.intersection(concerned) for number, gone in found.items()}


def change(scenario: Scenario, world: World, concerned: Sequence[int]) -> None:
    """Let peers that churn concerns arrive and leave in the current round."""
    world.event = -1
    if scenario.churn is not None:
        scenario.churn.change(world, concerned)
