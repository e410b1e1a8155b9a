"""The events of scenarios, one spec for each ``do``."""

from __future__ import annotations

from clients.spec import Registry
from simulator.events.contract import EventSpec

COMMON = {
    "arrive": "simulator.events.arrive:Arrive",
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
"""Events of every task."""

EVENTS: Registry[EventSpec] = Registry(
    "lethe.events",
    "simulator.events.contract:EventSpec",
    {
        **COMMON,
        "correct": "simulator.events.correct:Correct",
        "erase": "simulator.events.erase:Erase",
    },
    tag="do",
)
"""Events of classification."""
