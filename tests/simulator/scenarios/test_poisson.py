"""Arrivals and exits as a process: drawn by key, within membership's rules, and forgotten exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from scipy.stats import poisson as reference

from clients.streams import uniform
from simulator.errors import ScenarioError
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.plan import Plan
from simulator.scenarios.poisson import poisson
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario

BASE: dict[str, Any] = {
    "name": "process",
    "seed": 3,
    "rounds": 12,
    "data": {"dataset": "digits", "rows": 400, "reference": 20, "test": 20, "partition": {"kind": "iid"}},
    "peers": {"count": 12, "main": [{"kind": "linear"}], "seed": {"kind": "linear"}, "groups": {"phones": [6, 7, 8, 9, 10, 11]}},
    "topology": {"kind": "k_regular", "k": 4, "on_leave": "rewire"},
}


def plan(*events: dict[str, Any], **changes: Any) -> Plan:
    churn = {"kind": "poisson", "arrivals": 1.0, "exits": 1.5, "erase": 0.7, "outside": 3} | changes.pop("churn", {})
    return resolve(Scenario.parse(BASE | {"event": list(events), "churn": churn} | changes))


def told(resolved: Plan, do: str) -> list[int]:
    return [peer for now in resolved.timeline.rounds for one in now.happenings if one.do == do for peer in one.peers]


@pytest.mark.parametrize("mean", [0.0, 0.3, 2.0, 40.0, 500.0])
def test_counts_follow_the_distribution(mean: float) -> None:
    levels = [uniform("level", i) for i in range(200)] + [0.0, 1 - 2**-53]
    assert [poisson(mean, level) for level in levels[:-1]] == [max(0, int(reference.ppf(level, mean))) for level in levels[:-1]]
    assert poisson(mean, levels[-1]) < mean + 20 * mean**0.5 + 20, "it ends"


def test_the_same_seed_gives_the_same_plan() -> None:
    assert plan().digest == plan().digest != plan(seed=4).digest
    assert plan().timeline.rounds != plan(seed=4).timeline.rounds


def test_who_joins_and_leaves_is_in_the_timeline() -> None:
    resolved = plan()
    first, *rounds = resolved.timeline.rounds
    assert len(told(resolved, "leave")) > 8
    assert len(told(resolved, "join")) == 3, "all that were outside have come"
    assert told(resolved, "rejoin") != []
    assert all(one.event is None for now in resolved.timeline.rounds for one in now.happenings)
    members = set(first.members)
    for now in rounds:
        changed = {do: {peer for one in now.happenings if one.do == do for peer in one.peers} for do in ("join", "rejoin", "leave")}
        assert not (changed["join"] | changed["rejoin"]) & changed["leave"], "one change a round"
        assert set(now.members) == (members | changed["join"] | changed["rejoin"]) - changed["leave"]
        members = set(now.members)


@pytest.mark.parametrize(("share", "erased"), [(0.0, 0), (1.0, 1)])
def test_exits_ask_for_erasure_with_a_probability(share: float, erased: int) -> None:
    resolved = plan(churn={"erase": share})
    left = told(resolved, "leave")
    assert len(left) > 8
    assert [one.peer for one in resolved.timeline.erasures] == left * erased
    mixed = plan()
    assert 0 < len(mixed.timeline.erasures) < len(told(mixed, "leave"))


def test_rates_are_means_per_round() -> None:
    resolved = plan(rounds=60, churn={"arrivals": 2.0, "exits": 2.0, "outside": 6, "erase": 0.0, "start": 11})
    assert all(not now.happenings for now in resolved.timeline.rounds[:10])
    assert 75 <= len(told(resolved, "leave")) <= 125
    assert 75 <= len(told(resolved, "join")) + len(told(resolved, "rejoin")) <= 125


def test_a_group_alone_comes_and_goes_and_events_come_first() -> None:
    resolved = plan({"do": "leave", "round": 4, "peers": "phones", "erase": True}, churn={"peers": "phones", "start": 4, "outside": 0})
    assert all(set(range(6)) <= set(now.members) for now in resolved.timeline.rounds)
    assert resolved.timeline.rounds[3].members == (0, 1, 2, 3, 4, 5), "who has left in this round does not come back in it"
    assert {one.peer for one in resolved.timeline.erasures} == set(range(6, 12))


@pytest.mark.parametrize(
    ("churn", "words"),
    [
        ({"outside": 13}, "churn: outside = 13, but the process has 12 peers: lower it"),
        ({"outside": 7, "peers": "phones"}, "churn: outside = 7, but the process has 6 peers: lower it"),
        ({"peers": "tablets"}, "churn.peers: group 'tablets' is unknown"),
        ({"exits": -1.0}, "churn.exits: is -1.0: write a number of at least 0"),
        ({"arrivals": 501.0}, "churn.arrivals: is 501.0: write a number of at most 500"),
        ({"erase": 1.5}, "churn.erase: is 1.5: write a number of at most 1"),
    ],
)
def test_what_cannot_be_is_refused(churn: dict[str, Any], words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        plan(churn=churn)
    assert any(words in line for line in caught.value.lines)


def test_every_departure_of_the_process_is_exact(play: Callable[..., Run]) -> None:
    peers = BASE["peers"] | {"count": 6, "groups": {}}
    churn = {"kind": "poisson", "arrivals": 1.0, "exits": 1.0, "outside": 1, "start": 2}
    topology = {"kind": "ring", "on_leave": "rewire"}
    run = play(data=BASE["data"], peers=peers, churn=churn, topology=topology, audit={"counterfactual": True}, rounds=4, seed=39)
    assert {one["kind"] for one in run.results["erasures"]} == {"peer"}
    assert [one["max_abs_difference"] for one in run.results["erasures"]] == [0.0] * len(run.results["erasures"])
    assert all(one["max_abs_difference_nothing"] > 0 for one in run.results["erasures"]), "the control"
    assert len(told(run.plan, "rejoin")) > 0, "an erased peer comes back from scratch"
    assert verify(run.folder) == []
