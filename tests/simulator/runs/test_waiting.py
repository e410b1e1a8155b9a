"""A request that never reaches its peer is no proof: results say that it waits, and the verdict is not green."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from simulator.report.collect import collect
from simulator.runs.run import Run
from simulator.runs.verify import verify

AWAY = {"round": 2, "do": "offline", "peers": [2]}
DELETE = {"round": 3, "do": "delete", "peer": 2, "rows": {"fraction": 0.2}}
LEAVE = {"round": 3, "do": "leave", "peers": [4], "erase": True}


@pytest.mark.parametrize(("others", "proven"), [([], ""), ([LEAVE], "1 of 1 erasures proven; ")])
def test_who_is_away_to_the_end_has_not_forgotten(play: Callable[..., Run], others: list[dict[str, Any]], proven: str) -> None:
    found = play(event=[AWAY | {"rounds": 3}, DELETE, *others])
    assert found.results["verdict"]["name"] == "measured"
    assert found.results["verdict"]["why"] == f"{proven}1 request waits for a peer that was away to the end of the run"
    (waiting,) = found.results["waiting"]
    assert {key: waiting[key] for key in ("event", "round", "peer")} == {"event": 1, "round": 3, "peer": 2}
    assert waiting["ids"] == len(found.plan.timeline.waiting[0].ids) > 0
    assert collect(found.folder, found.results).waiting == 1
    assert verify(found.folder) == []


def test_the_control_who_comes_back_forgets(play: Callable[..., Run]) -> None:
    found = play(event=[AWAY | {"rounds": 2}, DELETE])
    assert found.results["verdict"]["name"] == "proven"
    assert "waiting" not in found.results
