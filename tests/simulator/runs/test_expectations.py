from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulator.errors import ScenarioError
from simulator.progress import Watch
from simulator.runner import resume
from simulator.runs.directory import read_plan
from simulator.runs.expectations import check
from simulator.runs.run import Run
from simulator.storage.store import RunStore

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


def test_of_a_peer_that_is_away_nothing_can_be_expected(play: Play) -> None:
    away = {"round": 2, "do": "offline", "peers": [0]}
    with pytest.raises(ScenarioError, match="peer 0 is away or gone in round 2, and nothing is measured of it: name another peer or round"):
        play(event=[away], expect=[{"after": 2, "metric": "accuracy.global.main", "peer": 0, "min": 0.0}])


def test_any_declared_metric_can_be_expected_and_no_other(play: Play) -> None:
    run = play(rounds=2, expect=[{"after": 2, "metric": name, "min": 0} for name in ("gradient_steps", "bytes_overlay")])
    assert judged(run) == [True, True]
    store = RunStore(run.folder)
    store.db.execute("update metrics set value = ? where name = 'gradient_steps'", (float("nan"),))
    assert next((one["found"], one["met"]) for one in check(run.plan, store, {})) == ("not a number", False)
    store.close()
    with pytest.raises(ScenarioError) as error:
        play(rounds=2, expect=[{"after": 2, "metric": "acuracy.global.main", "min": 0.5}, {"after": 2, "metric": "loss.local", "min": 0}])
    first, second = error.value.lines
    assert "expect 1 (expect.0.metric): metric 'acuracy.global.main' is not declared: did you mean accuracy.global.main?" in first
    assert "expect 2 (expect.1.metric): metric 'loss.local' is not declared" in second


def test_who_is_erased_twice_must_have_left_no_trace_either_time(play: Play) -> None:
    again = [LEAVE | {"round": 2}, {"round": 3, "do": "rejoin", "peers": [4]}, LEAVE | {"round": 4}]
    run = play(event=again, expect=[NEVER | {"after": 2}, NEVER])
    assert judged(run) == [True, True]
    plan, store = read_plan(run.folder), RunStore(run.folder)
    second = max(one.request for one in plan.timeline.erasures)
    never = store.audit(f"never-{second}")
    assert never is not None
    never |= {"states": [[*row[:3], "another", row[4]] for row in never["states"]]}
    store.db.execute("update audits set body = ? where name = ?", (json.dumps(never), f"never-{second}"))
    assert [one["met"] for one in check(plan, store, {})] == [True, False], "the second time is compared, where it has come"
    store.close()


def test_an_audit_killed_halfway_is_done_again(play: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = RunStore.set_audit

    def die(store: RunStore, name: str, value: Any) -> None:
        write(store, name, value)
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(RunStore, "set_audit", die)
        with pytest.raises(KeyboardInterrupt):
            play(event=[LEAVE], expect=[NEVER])
    (folder,) = (tmp_path / "runs").iterdir()
    assert judged(resume(folder, Watch())) == [True]


@pytest.mark.parametrize("control", ["refuse", "sequential"])
def test_a_trace_of_the_leaver_fails_never_joined(play: Play, control: str) -> None:
    if control == "refuse":
        run = play(event=[REFUSE, LEAVE], expect=[ABSENT, NEVER])
        assert judged(run) == [False, False]
    else:
        run = play(event=[LEAVE], expect=[ABSENT, NEVER], training={"epochs": 2, "streams": "sequential"})
        assert judged(run) == [True, False]
