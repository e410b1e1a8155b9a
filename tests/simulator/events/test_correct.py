"""Corrections of rows: which they are, what later events see, the plan in which rows were always right, and what is refused."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from clients.corrections import Correction
from clients.data import load
from simulator.errors import ScenarioError
from simulator.requests.counterfactual import without
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.tasks.classification.averaging.federation import AveragedClassification
from simulator.tasks.contract import plan_of
from tests.simulator.events.planned import FOUR, planned, refused

plan, error = partial(planned, FOUR), partial(refused, FOUR)


def correct(number: int, *peers: int, **keys: Any) -> dict[str, Any]:
    return {"do": "correct", "round": number, "peers": list(peers), **(keys or {"label": "class_1"})}


def asked(found: Any, number: int, peer: int) -> tuple[Correction, ...]:
    return tuple(found.timeline.rounds[number - 1].correct.get(peer, ()))


def test_only_rows_that_are_otherwise_are_corrected() -> None:
    found = plan(correct(3, 0, 2))
    source, label = load(found.configs[0].data), found.labels.index("class_1")
    for peer in (0, 2):
        (told,) = asked(found, 3, peer)
        rows = np.asarray(found.configs[peer].rows)
        assert told == Correction(rows=tuple(rows[source.classes_of(rows) != label].tolist()), label=label)
    assert [(one.kind, one.peer, one.rows) for one in found.timeline.erasures] == [
        ("correction", peer, asked(found, 3, peer)[0].rows) for peer in (0, 2)
    ]
    assert not any(now.correct for now in found.timeline.rounds if now.round != 3)


def test_a_feature_is_corrected_by_its_name() -> None:
    found = plan(correct(3, 1, rows={"fraction": 0.5}, feature="hue", value=0.25))
    (told,) = asked(found, 3, 1)
    assert (told.column, told.value, told.label) == (10, 0.25, None)
    assert len(told.rows) == round(len(found.configs[1].rows) / 2)


def test_a_plan_without_corrections_does_not_mention_them() -> None:
    assert "correct" not in plan().model_dump_json()


def test_later_events_choose_by_the_right_class() -> None:
    deletes = {"do": "delete", "round": 4, "peer": 0, "rows": {"label": "class_1"}}
    wrong = plan(deletes)
    rows = [row for row in wrong.configs[0].rows if row not in wrong.timeline.erasures[0].rows][:2]
    found = plan(correct(3, 0, rows={"ids": rows}, label="class_1"), deletes)
    assert set(found.timeline.erasures[1].rows) == {*wrong.timeline.erasures[0].rows, *rows}
    again = correct(3, 0, rows={"ids": rows}, label="class_1")
    assert "every row named already has class class_1, so nothing would change" in error(again, again | {"round": 4})
    whole = correct(3, 0, feature="hue", value=0.5)
    assert "every row named already has hue = 0.5, so nothing would change" in error(whole, whole | {"round": 4})


def test_corrections_wait_for_a_peer_that_is_absent() -> None:
    offline = {"do": "offline", "round": 2, "peers": [0], "rounds": 3}
    found = plan(offline, correct(3, 0), correct(4, 0, feature="hue", value=0.5))
    assert [len(asked(found, number, 0)) for number in range(1, 7)] == [0, 0, 0, 0, 2, 0]
    assert [one.round for one in found.timeline.erasures] == [5, 5]
    assert [one.do for one in found.timeline.rounds[4].happenings if one.peers == (0,)] == ["back", "correct", "correct"]
    gone = plan(offline, correct(3, 0), {"do": "leave", "round": 4, "peers": [0], "erase": True})
    assert "covers the requests still due from peer 0" in gone.timeline.rounds[3].happenings[0].detail
    never = plan({"do": "offline", "round": 2, "peers": [0]}, correct(3, 0))
    assert not any(now.correct for now in never.timeline.rounds)
    assert (never.timeline.rounds[-1].happenings[-1].do, never.timeline.erasures) == ("undone", ())


def test_an_erased_peer_returns_with_right_rows() -> None:
    events = [{"do": "leave", "round": 4, "peers": [0], "erase": True}, {"do": "rejoin", "round": 5, "peers": [0]}]
    found = plan(correct(3, 0), *events, correct(6, 0, feature="hue", value=0.5))
    (back,) = found.returns
    assert back.corrections == asked(found, 3, 0)
    assert found.timeline.erasures[-1].generation == 1
    assert not without(found, 1).timeline.rounds[2].correct, "who never was has nothing to correct"
    late = without(found, 2)
    assert late.returns[0].corrections == (*back.corrections, *asked(found, 6, 0))
    assert late.timeline.rounds[2].correct == found.timeline.rounds[2].correct, "the former self is another"
    assert not late.configs[0].corrections


def test_in_the_counterfactual_rows_were_right_from_the_start() -> None:
    found = plan(correct(3, 0, 1), correct(5, 0, feature="hue", value=0.5))
    never = without(found, 0)
    assert [one.corrections for one in never.configs] == [asked(found, 3, 0), asked(found, 3, 1), (), ()]
    assert not never.timeline.rounds[2].correct
    assert never.timeline.rounds[4].correct == found.timeline.rounds[4].correct
    assert [one.request for one in never.timeline.erasures] == [1]


def test_of_two_corrections_of_the_same_the_later_has_the_last_word() -> None:
    rows = list(plan().configs[0].rows[:6])
    first = correct(3, 0, rows={"ids": rows}, feature="hue", value=0.5)
    second = correct(5, 0, rows={"ids": rows[:4]}, feature="hue", value=0.25)
    found = plan(first, second)
    late = without(found, 1)
    assert late.configs[0].corrections == asked(found, 5, 0)
    assert [one.rows for one in asked(late, 3, 0)] == [tuple(rows[4:])], "what is right already is not made wrong again"
    early = without(found, 0)
    assert early.configs[0].corrections == asked(found, 3, 0)
    assert asked(early, 5, 0) == asked(found, 5, 0)
    at_once = plan(first, second | {"round": 3})
    assert [one.rows for one in asked(without(at_once, 1), 3, 0)] == [tuple(rows[4:])]
    assert asked(without(at_once, 0), 3, 0) == asked(at_once, 3, 0)[1:]


def test_corrections_of_an_earlier_round_do_not_outlive_the_one_that_is_carried_out_again() -> None:
    """To one class, to another in the same round, and back to the first: without the last request, rows had the first from the start."""
    rows = {"ids": [row for row in plan().configs[0].rows if load(plan().configs[0].data).classes_of(np.asarray([row]))[0] == 2][:3]}
    found = plan(*(correct(number, 0, rows=rows, label=f"class_{label}") for number, label in ((2, 1), (2, 0), (4, 1))))
    last = found.timeline.erasures[-1]
    assert last.round == 4
    never = without(found, last.request)
    assert asked(never, 2, 0) == asked(never, 4, 0) == ()
    assert {one.label for one in never.configs[0].corrections} == {1}


def test_ignored_requests_correct_nothing() -> None:
    found = plan(correct(3, 0)).ignoring_requests()
    assert not any(now.correct for now in found.timeline.rounds)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (correct(3, 9), "event 1 (event.0), correct in round 3: peer 9 is unknown: peers are 0 to 3"),
        (correct(3, 0) | {"peer": 1}, "needs either peer or peers: say whose rows in one way"),
        (correct(3, 0, label="class_1", feature="hue", value=0.5), "needs either label or feature: say what the rows should have had"),
        (correct(3, 0, rows={"fraction": 0.5}), "needs either label or feature"),
        (correct(3, 0, feature="hue"), "needs feature and value together"),
        (correct(3, 0, label="class_1", value=0.5), "needs feature and value together"),
        (correct(3, 0, label="class_7"), "peer 0 has no row of class class_7, which no class is called"),
        (correct(3, 0, feature="colour", value=0.5), "there is no column 'colour': the columns are alcohol, malic_acid"),
        (correct(3, 0, feature="hue", value=1.5), "column hue: 1.5 lies outside its public range [0, 1]: give a value within"),
        (correct(3, 0, rows={"ids": [5000]}, label="class_1"), "row ids 5000 are not held by peer 0"),
        (correct(7, 0), "is 7, after the last round 6"),
    ],
)
def test_what_is_wrong_is_told(event: dict[str, Any], words: str) -> None:
    assert words in error(event)


def test_federations_that_correct_no_rows_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AveragedClassification, "corrects_rows", False)
    averaged = {name: value for name, value in FOUR.items() if name != "topology"} | {"federation": {"kind": "fedavg"}}
    averaged |= {"peers": {"count": 4, "main": [{"kind": "linear"}]}, "event": [correct(3, 0)]}
    with pytest.raises(ScenarioError) as caught:
        resolve(Scenario.parse(averaged))
    (told,) = caught.value.lines
    assert "correct: peers of classification/fedavg correct no rows: remove the event, or take a federation of classifiers" in told


def test_everything_is_in_order_and_of_plain_values() -> None:
    found = plan(correct(3, 2, 0), correct(4, 0, feature="hue", value=0.5))
    assert list(found.timeline.rounds[2].correct) == [0, 2]
    assert plan_of(found.model_dump_json()).timeline == found.timeline
    assert plan_of(found.model_dump_json()).digest == found.digest
