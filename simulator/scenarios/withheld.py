"""Rows with which peers do not begin, because events bring them later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from clients.data import Dataset
from clients.data.rows import Ids
from simulator.events.contract import EventSpec
from simulator.events.shares import Shares
from simulator.scenarios.scenario import Scenario
from simulator.scenarios.validation_errors import name_place

Coming = dict[int, dict[int, list[int]]]
"""Rows that events bring, by the number of the event and by peer."""
Attempt = Callable[[str, Callable[[], dict[int, list[int]]]], dict[int, list[int]] | None]


def withheld(scenario: Scenario, dealt: Sequence[Ids], data: Dataset, attempt: Attempt) -> tuple[list[Ids], Coming]:
    """Return the rows with which each peer begins, and those that events bring later; ``attempt`` records what is impossible."""
    shares = Shares(scenario.seed, dealt, data.y, scenario.peers.groups, data.numbers)
    shares.classes, shares.users = data.labels, data.user_names
    coming: Coming = {}
    for i, event in enumerate(scenario.event):
        if event.brings_rows:
            shares.event = i
            coming[i] = attempt(place_of(i, event), partial(event.withhold, shares)) or {}
    return [np.asarray(sorted(shares.rows[peer]), dtype=np.int64) for peer in range(len(dealt))], coming


def place_of(i: int, event: EventSpec) -> str:
    """Return where an event stands, in words."""
    return f"{name_place(('event', i))}, {event.tag} in round {event.round}"
