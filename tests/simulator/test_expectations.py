from __future__ import annotations

from collections.abc import Callable

import pytest

from simulator.runs import Run

Play = Callable[..., Run]
LEAVE = {"round": 3, "do": "leave", "peers": [4], "erase": True}
REFUSE = {"round": 1, "do": "refuse", "peers": [3]}
ABSENT = {"after": 3, "absent": 4}
NEVER = {"after": 4, "equal_to": "never_joined", "peer": 4}


def judged(run: Run) -> list[bool]:
    return [one["met"] for one in run.results["expectations"]]


def test_what_holds_is_met(play: Play) -> None:
    bounds = {"after": 4, "metric": "accuracy.global.ensemble", "min": 0.05, "max": 1.0}
    run = play(event=[LEAVE], expect=[ABSENT, NEVER, bounds, bounds | {"peer": 0, "min": 0.0}])
    assert judged(run) == [True] * 4
    assert run.unmet == []


def test_what_does_not_hold_names_round_and_value(play: Play) -> None:
    run = play(event=[LEAVE], expect=[{"after": 2, "absent": 4}, {"after": 4, "metric": "accuracy.global.main", "min": 0.99}])
    first, second = run.unmet
    assert first["after"] == 2
    assert "held by peers [3, 5]" in first["found"]
    assert second["expected"] == "accuracy.global.main >= 0.99"
    assert 0 < float(second["found"]) < 0.99


@pytest.mark.parametrize("control", ["refuse", "sequential"])
def test_a_trace_of_the_leaver_fails_never_joined(play: Play, control: str) -> None:
    if control == "refuse":
        run = play(event=[REFUSE, LEAVE], expect=[ABSENT, NEVER])
        assert judged(run) == [False, False]
    else:
        run = play(event=[LEAVE], expect=[ABSENT, NEVER], training={"epochs": 2, "streams": "sequential"})
        assert judged(run) == [True, False]
