"""Devices tell simulated seconds beside rounds, refuse models that do not fit, and decide no digest."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from simulator.errors import ScenarioError
from simulator.report import words
from simulator.report.classification.page import ClassificationPage
from simulator.report.model import RoundRow
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.devices import Device
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.tasks.classification.hdus.costs import costs
from simulator.tasks.classification.hdus.devices import slowest

FAST = {"speed": 100.0, "bandwidth": 1e6, "memory": 100_000}
SLOW = {"speed": 10.0, "bandwidth": 1e3, "memory": 100_000}
PEERS: dict[str, Any] = {"count": 4, "main": [{"kind": "linear"}], "seed": {"kind": "linear"}}
LEAVE = {"round": 2, "do": "leave", "peers": [1], "erase": True}
SMALL: dict[str, Any] = {"rounds": 2, "event": [LEAVE], "audit": {"counterfactual": False}}


def with_devices(*devices: dict[str, Any]) -> dict[str, Any]:
    return SMALL | {"peers": PEERS | {"devices": list(devices)}}


def test_a_device_trains_then_sends() -> None:
    assert Device(speed=4.0, bandwidth=100.0, memory=1).seconds(8, 50) == 2.5


def test_a_round_ends_with_its_slowest_peer(scenario: Callable[..., Scenario]) -> None:
    made: Any = scenario(**with_devices(FAST, SLOW))
    assert slowest(made, {0: 1000, 1: 50}, {}) == (10.0, 0)
    assert slowest(made, {0: 1000, 1: 50}, {3: 20_000}) == (20.0, 3), "peer 3 has the second device, too"
    assert slowest(made, {}, {}) == (0.0, None)


def test_simulated_seconds_stand_beside_rounds_and_in_no_digest(play: Callable[..., Run]) -> None:
    plain, run = play(**SMALL, peers=PEERS), play(**with_devices(FAST, SLOW))
    assert plain.digest == run.digest
    assert "simulated_seconds" not in plain.results["timeline"][0]
    for row in run.results["timeline"]:
        who, begun = row["slowest"], run.holdings[run.holdings["since"] == row["round"]]
        own = run.metrics.query(f"round == {row['round']} and peer == {who} and name in ['gradient_steps', 'distillation_steps']")
        seeds = (begun["holder"] == who).sum() + (begun["owner"] == who).sum()
        device = Device(**(FAST, SLOW)[who % 2])
        expected = device.seconds(own["value"].sum(), seeds * row["bytes_overlay"] / max(len(begun), 1))
        assert row["simulated_seconds"] == pytest.approx(expected)
        assert expected > 0
        assert who % 2 == 1
    assert run.results["timeline"][1]["bytes_overlay"] > 0, "seeds of round 1 arrive in round 2"
    assert verify(run.folder) == []


def test_plans_without_devices_stay_as_they_were_and_check_foretells_time(scenario: Callable[..., Scenario]) -> None:
    bare, plan = resolve(scenario(**SMALL, peers=PEERS)), resolve(scenario(**with_devices(FAST)))
    assert "devices" not in bare.scenario.peers.model_dump()
    assert costs(bare).seconds is None  # type: ignore[arg-type]
    fast, slow = (costs(resolve(scenario(**with_devices(one)))).seconds for one in (FAST, SLOW))  # type: ignore[arg-type]
    assert fast is not None
    assert slow is not None
    assert 0 < 10 * fast < slow
    assert Scenario.parse(plan.scenario.to_toml()) == plan.scenario


def test_models_must_fit_the_memory(scenario: Callable[..., Scenario]) -> None:
    one = 4 * (64 * 10 + 10)
    enough, short = FAST | {"memory": 4 * one}, FAST | {"memory": 4 * one - 1}
    resolve(scenario(**with_devices(enough)))
    with pytest.raises(ScenarioError) as caught:
        resolve(scenario(**with_devices(enough, short)))
    (line,) = caught.value.lines
    what = "peers.devices.1.memory: is 10,399, but peer 1 holds a main model, its seed and 2 neighbours' seeds, 10,400 bytes of weights"
    assert what in line


@pytest.mark.parametrize(("key", "value"), [("speed", 0.0), ("bandwidth", -1.0), ("memory", 0)])
def test_what_is_no_device_is_refused(scenario: Callable[..., Scenario], key: str, value: float) -> None:
    with pytest.raises(ScenarioError, match=rf"peers.devices.0.{key}: is {value}: write a number above 0"):
        scenario(**with_devices(FAST | {key: value}))


def test_the_report_tells_the_time_on_devices_where_there_are_any() -> None:
    page, rounds = ClassificationPage(), [RoundRow(1, 4), RoundRow(2, 3)]
    own = page.collect(None, None, {"timeline": [{"round": 1, "simulated_seconds": 2.5, "slowest": 3}, {"round": 2}]})  # type: ignore[arg-type]

    def told(data: Any) -> list[list[str]]:
        return [[text(row) for row in rounds] for _, text in page.round_columns(data)[1:]]

    data = SimpleNamespace(own=own, together="ensemble")
    assert told(data) == [[words.seconds(2.5), words.NOT_MEASURED], ["3", words.NOT_MEASURED]]
    assert told(SimpleNamespace(own=None, together="ensemble")) == [[words.NOT_MEASURED] * 2] * 2
