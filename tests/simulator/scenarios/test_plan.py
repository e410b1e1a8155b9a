from pathlib import Path

import pytest

from clients.data import load
from simulator.requests.counterfactual import without
from simulator.scenarios.plan import Plan
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.tasks.contract import plan_of

DEPARTURES = Path(__file__).parents[3] / "experiments" / "scenarios" / "departures.toml"


@pytest.fixture(scope="module")
def plan() -> Plan:
    return resolve(Scenario.load(DEPARTURES))


def test_same_seed_same_plan_whatever_the_engine(plan):
    assert resolve(Scenario.load(DEPARTURES, ["engine.kind=ray", "engine.workers=1"])).digest == plan.digest
    assert resolve(Scenario.load(DEPARTURES, ["seed=8"])).digest != plan.digest
    assert resolve(Scenario.load(DEPARTURES, ["training.epochs=6"])).digest != plan.digest


def test_the_plan_of_the_shown_file_is_the_one_it_has_always_been(plan):
    assert [len(one.rows) for one in plan.configs] == [71, 65, 107, 50, 161, 174, 128, 147, 77, 97]
    assert plan.timeline.rounds[0].edges[:6] == ((0, 1), (0, 2), (0, 8), (1, 2), (1, 3), (1, 7))
    assert plan.timeline.rounds[3].forget == {3: (1371, 1704)}
    assert [one.peer for one in plan.timeline.erasures] == [4, 3, 1, 9]


def test_json_round_trip(plan):
    again = plan_of(plan.model_dump_json())
    assert again == plan
    assert again.digest == plan.digest
    assert again.configs[3].main.kind == "sisa"


def test_public_rows_are_set_aside_and_the_rest_is_dealt_once(plan):
    config = plan.configs[0]
    dealt = [row for one in plan.configs for row in one.rows]
    assert (len(config.reference), len(config.test)) == (360, 360)
    assert sorted([*config.reference, *config.test, *dealt]) == list(range(1797))
    assert all(one.reference == config.reference and one.test == config.test for one in plan.configs)
    assert all(len(one.rows) >= 20 for one in plan.configs)
    assert list(config.reference) != list(range(360))


def test_mains_are_dealt_in_turn(plan):
    assert [one.main.kind for one in plan.configs] == ["mlp", "mlp", "cnn", "sisa", "linear"] * 2
    assert {one.seed.kind for one in plan.configs} == {"mlp"}


def test_facts_for_the_server(plan):
    assert (plan.shape, plan.classes, plan.labels[3]) == ((1, 8, 8), 10, "3")
    assert plan.data_sha256 == resolve(Scenario.load(DEPARTURES, ["seed=1"])).data_sha256
    assert load(plan.configs[0].data).classes == 10


def test_the_counterfactual_of_a_departure_has_a_ghost(plan):
    never = without(plan, 0)
    assert all(4 not in now.present and 4 not in now.members and 4 not in now.erased for now in never.timeline.rounds)
    for one, other in zip(plan.timeline.rounds, never.timeline.rounds, strict=True):
        assert one.edges == other.edges
        assert set(one.present) - {4} == set(other.present)
        assert one.forget == other.forget
    assert [one.index for one in never.timeline.erasures] == [1, 2, 3]
    assert never.configs == plan.configs
    assert never.digest != plan.digest


def test_the_counterfactual_of_a_deletion_never_had_the_rows(plan):
    never = without(plan, 1)
    gone = set(plan.timeline.erasures[1].rows)
    assert set(plan.configs[3].rows) - set(never.configs[3].rows) == gone
    assert all(now.forget == {} for now in never.timeline.rounds)
    assert [now.present for now in never.timeline.rounds] == [now.present for now in plan.timeline.rounds]
    assert never.configs[:3] == plan.configs[:3]


def test_the_counterfactual_of_two_leavers_has_two_ghosts(plan):
    gone = {erasure.peer for erasure in plan.timeline.erasures if erasure.request == 2}
    never = without(plan, 2)
    assert len(gone) == 2
    assert all(gone.isdisjoint(now.present) for now in never.timeline.rounds)
    assert len(never.timeline.erasures) == 2


def test_an_unknown_request(plan):
    with pytest.raises(KeyError):
        without(plan, 3)


def test_ignoring_requests_keeps_presence_repairs_and_the_edges_of_those_who_would_have_gone(plan):
    kept = plan.ignoring_requests()
    assert kept.timeline.erasures == ()
    gone: set[int] = set()
    for one, other in zip(plan.timeline.rounds, kept.timeline.rounds, strict=True):
        gone |= set(one.erased)
        assert (one.present, one.members) == (other.present, other.members)
        assert (other.erased, other.forget) == ((), {})
        assert set(one.edges) <= set(other.edges)
        more = set(other.edges) - set(one.edges)
        assert {peer for edge in more for peer in edge} >= gone
        assert all(gone & set(edge) for edge in more)
    assert gone


@pytest.fixture(scope="module")
def returned() -> Plan:
    events = [
        {"do": "delete", "round": 2, "peer": 4, "rows": {"fraction": 0.2}},
        {"do": "crash", "round": 2, "peers": [4]},
        {"do": "refuse", "round": 2, "peers": [4]},
        {"do": "leave", "round": 3, "peers": [4], "erase": True},
        {"do": "rejoin", "round": 5, "peers": [4]},
        {"do": "delete", "round": 6, "peer": 4, "rows": {"fraction": 0.2}},
        {"do": "leave", "round": 7, "peers": [4], "erase": True},
        {"do": "rejoin", "round": 8, "peers": [4]},
    ]
    return resolve(Scenario.load(DEPARTURES).replace(event=events))


def test_a_ghost_is_one_generation_only(returned):
    requests = {(one.kind, one.generation): one.request for one in returned.timeline.erasures}
    first, second = (without(returned, requests["peer", generation]) for generation in (0, 1))
    assert [4 in now.present for now in first.timeline.rounds] == [False] * 4 + [True, True, False, True]
    assert [4 in now.present for now in second.timeline.rounds] == [True, True] + [False] * 5 + [True]
    assert first.timeline.rounds[1].forget == first.timeline.rounds[1].crash == {}
    assert first.timeline.rounds[1].refusing == ()
    assert set(second.timeline.rounds[1].forget) == {4}
    assert second.timeline.rounds[4].generation == second.timeline.rounds[5].forget == {}
    assert second.timeline.rounds[7].generation == {4: 2}
    assert [(one.kind, one.generation) for one in first.timeline.erasures] == [("rows", 1), ("peer", 1)]


def test_rows_once_deleted_stay_out_of_later_generations(returned):
    first, second = (set(one.rows) for one in returned.timeline.erasures if one.kind == "rows")
    assert first.isdisjoint(returned.config(4, 1).rows)
    assert (first | second).isdisjoint(returned.config(4, 2).rows)
    assert len(returned.config(4, 2).rows) == len(returned.config(4).rows) - len(first) - len(second)
    with pytest.raises(KeyError):
        returned.config(4, 3)


def test_the_counterfactual_of_a_deletion_in_a_later_generation(returned):
    request = next(one.request for one in returned.timeline.erasures if (one.kind, one.generation) == ("rows", 1))
    never = without(returned, request)
    gone = set(returned.timeline.rounds[5].forget[4])
    assert set(returned.config(4, 1).rows) - set(never.config(4, 1).rows) == gone
    assert never.config(4) == returned.config(4)
    assert never.timeline.rounds[1].forget == returned.timeline.rounds[1].forget


def test_counterfactuals_can_be_combined(plan):
    both = without(without(plan, 0), 1)
    assert [one.request for one in both.timeline.erasures] == [2, 2]
    assert both == without(without(plan, 1), 0)
