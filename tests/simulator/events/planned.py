"""Plans of scenarios with events, and the one line with which a wrong one is refused."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.errors import ScenarioError
from simulator.scenarios.plan import Plan
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario

BASE: dict[str, Any] = {
    "name": "events",
    "seed": 3,
    "rounds": 8,
    "data": {"dataset": "wine", "reference": 20, "test": 20, "partition": {"kind": "iid"}},
    "peers": {"count": 6, "main": [{"kind": "linear"}], "seed": {"kind": "linear"}, "groups": {"edge": [4, 5]}},
    "topology": {"kind": "ring"},
}
FOUR = BASE | {"name": "arrivals", "rounds": 6, "peers": BASE["peers"] | {"count": 4, "groups": {"edge": [2, 3]}}}
"""The same with four peers and two rounds less."""


def planned(base: dict[str, Any], *events: dict[str, Any], **changes: Any) -> Plan:
    return resolve(Scenario.parse(base | {"event": list(events)}).replace(**changes))


def refused(base: dict[str, Any], *events: dict[str, Any], **changes: Any) -> str:
    with pytest.raises(ScenarioError) as caught:
        planned(base, *events, **changes)
    assert len(caught.value.lines) == 1, caught.value.lines
    return caught.value.lines[0]
