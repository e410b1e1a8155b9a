"""Rows that reach peers later: which they are, who begins without them, and what is refused."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from clients.data import load
from simulator.errors import ScenarioError
from simulator.requests.counterfactual import without
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.tasks.contract import plan_of
from tests.simulator.events.planned import FOUR, planned, refused

plan, error = partial(planned, FOUR), partial(refused, FOUR)


def arrive(number: int, *peers: int, **rows: Any) -> dict[str, Any]:
    return {"do": "arrive", "round": number, "peers": list(peers), "rows": rows or {"fraction": 0.25}}


def test_a_peer_begins_without_the_rows_that_reach_it_later() -> None:
    whole, found = plan(), plan(arrive(3, 0, 2), arrive(4, 0, fraction=0.5))
    first, second = (found.timeline.rounds[number - 1].arrive for number in (3, 4))
    assert set(first) == {0, 2}
    assert set(second) == {0}
    for peer in range(4):
        late = {*first.get(peer, ()), *second.get(peer, ())}
        assert late.isdisjoint(found.configs[peer].rows)
        assert late.union(found.configs[peer].rows) == set(whole.configs[peer].rows), "the deal is that of the scenario without arrivals"
    assert not any(now.arrive for now in found.timeline.rounds if now.round not in (3, 4))
    held = len(whole.configs[0].rows)
    assert (len(first[0]), len(second[0])) == (round(held / 4), round((held - len(first[0])) / 2)), "a quarter, then half of the rest"


def test_rows_are_drawn_by_key_and_not_by_who_else_is_there() -> None:
    one, two = plan(arrive(3, 0)), plan(arrive(3, 0, 1, 2))
    assert one.timeline.rounds[2].arrive[0] == two.timeline.rounds[2].arrive[0] == plan(arrive(3, 0)).timeline.rounds[2].arrive[0]
    assert one.timeline.rounds[2].arrive[0] != plan(arrive(3, 0), seed=4).timeline.rounds[2].arrive[0]


def test_rows_can_be_named_by_class_and_by_id() -> None:
    y = load(plan().configs[0].data).y
    ids = plan().configs[1].rows[:2]
    found = plan(arrive(2, 0, label="class_1"), {"do": "arrive", "round": 2, "peer": 1, "rows": {"ids": list(ids)}})
    label = plan().labels.index("class_1")
    assert not (y[list(found.configs[0].rows)] == label).any()
    assert (y[list(found.timeline.rounds[1].arrive[0])] == label).all()
    assert found.timeline.rounds[1].arrive[1] == ids


def test_a_plan_without_arrivals_does_not_mention_them() -> None:
    assert "arrive" not in plan().model_dump_json()


def test_rows_wait_for_a_peer_that_is_absent() -> None:
    offline = {"do": "offline", "round": 2, "peers": [0], "rounds": 3}
    found = plan(offline, arrive(3, 0), {"do": "delete", "round": 4, "peer": 0, "rows": {"fraction": 0.9}})
    assert [sorted(now.arrive) for now in found.timeline.rounds] == [[], [], [], [], [0], []]
    assert found.timeline.rounds[4].forget.keys() == {0}
    assert set(found.timeline.rounds[4].arrive[0]) & set(found.timeline.rounds[4].forget[0]), "what arrived can be deleted in its absence"
    never = plan({"do": "offline", "round": 2, "peers": [0]}, arrive(3, 0))
    assert not any(now.arrive for now in never.timeline.rounds)
    assert never.timeline.rounds[-1].happenings[-1].detail.startswith("never taken in: ")
    assert never.timeline.rounds[-1].happenings[-1].do == "untaken"


def test_an_erased_peer_returns_with_what_had_reached_it() -> None:
    events = [{"do": "leave", "round": 4, "peers": [0], "erase": True}, {"do": "rejoin", "round": 5, "peers": [0]}]
    found = plan(arrive(3, 0), *events, arrive(6, 0, fraction=0.1))
    (back,) = found.returns
    late = found.timeline.rounds[5].arrive[0]
    assert set(back.rows) == set(found.configs[0].rows) | set(found.timeline.rounds[2].arrive[0])
    assert set(back.rows).isdisjoint(late)
    assert [one.generation for one in found.timeline.arrivals()] == [0, 1]
    assert set(found.timeline.erasures[0].rows) == set(back.rows)
    never = without(found, 0)
    assert not never.timeline.rounds[2].arrive
    assert never.timeline.rounds[5].arrive == {0: late}


def test_in_the_counterfactual_deleted_rows_never_arrive() -> None:
    found = plan(arrive(3, 0, 1), {"do": "delete", "round": 5, "peer": 0, "rows": {"fraction": 0.9}})
    gone, never = set(found.timeline.erasures[0].rows), without(found, 0)
    came = found.timeline.rounds[2].arrive
    assert gone & set(came[0])
    assert set(never.timeline.rounds[2].arrive.get(0, ())) == set(came[0]) - gone
    assert never.timeline.rounds[2].arrive[1] == came[1]
    assert set(never.configs[0].rows).isdisjoint(gone)


def test_the_run_to_compare_with_has_the_rows_from_the_first_round_of_their_peers() -> None:
    joins = {"do": "join", "round": 2, "peers": [3]}
    given = plan(joins, arrive(3, 0, 3), arrive(5, 0, fraction=0.1))
    found = given.arriving_at_once()
    assert [sorted(now.arrive) for now in found.timeline.rounds] == [[0], [3], [], [], [], []]
    came = [given.timeline.rounds[number - 1].arrive[0] for number in (3, 5)]
    assert found.timeline.rounds[0].arrive[0] == tuple(sorted(came[0] + came[1]))
    assert not any(one.do == "arrive" for now in found.timeline.rounds for one in now.happenings)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (arrive(3, 9), "event 1 (event.0), arrive in round 3: peer 9 is unknown: peers are 0 to 3"),
        (arrive(3, 0, 0), "peer 0 is named twice: name it once"),
        (arrive(3, 0, ids=[5000]), "row ids 5000 are not held by peer 0: name rows it holds"),
        (arrive(3, 0, label="4"), "peer 0 has no row of class 4"),
        (arrive(7, 0), "is 7, after the last round 6"),
        (arrive(3, 0) | {"peer": 1}, "needs either peer or peers: say whom the rows reach in one way"),
        (arrive(3, 0, fraction=0.2, label="1"), "needs exactly one of fraction, ids, label, user"),
    ],
)
def test_what_is_wrong_is_told(event: dict[str, Any], words: str) -> None:
    assert words in error(event)


def test_arrivals_that_contradict_the_rest_are_refused() -> None:
    rows = list(plan().configs[0].rows)
    assert "peer 0 would begin with none of its rows: let fewer arrive later" in error(arrive(3, 0, ids=rows))
    assert f"row ids {rows[0]} are not held by peer 0" in error(arrive(3, 0, ids=rows[:1]), arrive(4, 0, ids=rows[:1]))
    gone = {"do": "leave", "round": 2, "peers": [0], "erase": True}
    assert "peer 0 cannot take in rows: it has been erased since round 2" in error(gone, arrive(3, 0))
    assert "peer 3 cannot take in rows: it has not joined yet" in error({"do": "join", "round": 4, "peers": [3]}, arrive(3, 3))
    early = {"do": "delete", "round": 2, "peer": 0, "rows": {"ids": rows[:1]}}
    assert f"row ids {rows[0]} are not held by peer 0" in error(early, arrive(3, 0, ids=rows[:1])), "what has not arrived cannot be deleted"


def test_a_sharded_peer_must_begin_with_a_row_for_every_slice() -> None:
    main = [{"kind": "sisa", "shards": 4, "slices": 4, "base": {"kind": "linear"}}]
    peers = FOUR["peers"] | {"main": main}
    plan(arrive(3, 0), peers=peers)
    assert "sisa cuts 3 rows into 4 shards" in error(arrive(3, 0, fraction=0.9), peers=peers)


@pytest.mark.parametrize("task", ["classification", "diffusion"])
def test_federations_that_take_no_rows_in_say_so(task: str) -> None:
    mains = {"main": [{"kind": "linear"}]} if task == "classification" else {}
    averaged = {name: value for name, value in FOUR.items() if name in ("name", "seed", "rounds")} | {"task": task}
    averaged |= {"federation": {"kind": "fedavg"}, "peers": {"count": 4, **mains}, "event": [arrive(3, 0)]}
    averaged |= {"data": {"dataset": "digits", "reference": 60, "test": 60, "partition": {"kind": "iid"}}}
    with pytest.raises(ScenarioError) as caught:
        resolve(Scenario.parse(averaged))
    (told,) = caught.value.lines
    assert f"arrive: peers of {task}/fedavg take no rows in after the start: remove the event, or take a federation" in told


def test_everything_is_in_order_and_of_plain_integers() -> None:
    found = plan(arrive(3, 2, 0), arrive(3, 0, fraction=0.1))
    came = found.timeline.rounds[2].arrive
    assert list(came) == [0, 2]
    assert all(np.array_equal(rows, np.unique(rows)) and all(type(row) is int for row in rows) for rows in came.values())
    assert plan_of(found.model_dump_json()).timeline == found.timeline
