from functools import partial

import networkx as nx
import pytest

from server.timeline import Round
from simulator.events import EVENTS
from simulator.scenarios.plan import Plan
from tests.simulator.events.planned import BASE, planned, refused

plan, error = partial(planned, BASE), partial(refused, BASE)


def at(resolved: Plan, number: int) -> Round:
    return resolved.timeline.rounds[number - 1]


def leave(number: int, *peers: int, erase: bool = True) -> dict:
    return {"do": "leave", "round": number, "peers": list(peers), "erase": erase}


def test_leave_with_erasure():
    resolved = plan(leave(3, 4))
    assert at(resolved, 2).present == (0, 1, 2, 3, 4, 5)
    assert at(resolved, 3).present == at(resolved, 8).members == (0, 1, 2, 3, 5)
    assert [now.erased for now in resolved.timeline.rounds] == [(), (), (4,), (), (), (), (), ()]
    (erasure,) = resolved.timeline.erasures
    assert (erasure.index, erasure.request, erasure.round, erasure.kind, erasure.peer, erasure.generation) == (0, 0, 3, "peer", 4, 0)
    assert erasure.rows == resolved.configs[4].rows
    assert not any(4 in edge for edge in at(resolved, 3).edges)


def test_a_silent_leaver_stays_in_the_graph_until_it_is_erased():
    resolved = plan(leave(3, 4, erase=False), {"do": "erase", "round": 6, "peers": [4]})
    assert at(resolved, 3).members == (0, 1, 2, 3, 5)
    assert at(resolved, 5).edges == at(resolved, 1).edges
    assert at(resolved, 3).erased == ()
    assert at(resolved, 6).erased == (4,)
    assert not any(4 in edge for edge in at(resolved, 6).edges)
    assert resolved.timeline.erasures[0].round == 6


def test_erase_makes_a_member_leave():
    resolved = plan({"do": "erase", "round": 2, "peers": [0]})
    assert 0 not in at(resolved, 2).members
    assert at(resolved, 2).erased == (0,)


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ({"by": "degree", "count": 1}, {2}),
        ({"by": "betweenness", "count": 1}, {2}),
        ({"by": "degree", "fraction": 0.5}, {0, 1, 2}),
    ],
)
def test_select_by_place_in_the_graph(select, expected):
    resolved = plan({"do": "leave", "round": 2, "select": select, "erase": True}, topology={"kind": "star", "hub": 2})
    assert set(at(resolved, 1).present) - set(at(resolved, 2).present) == expected


def test_select_takes_the_largest_and_the_holders_of_a_class():
    skewed = {"kind": "dirichlet", "alpha": 0.3, "min_rows": 2}
    resolved = plan({"do": "leave", "round": 2, "select": {"by": "largest", "count": 2}}, data__partition=skewed)
    sizes = {config.peer: len(config.rows) for config in resolved.configs}
    gone = set(range(6)) - set(at(resolved, 2).present)
    assert min(sizes[peer] for peer in gone) >= max(sizes[peer] for peer in set(range(6)) - gone)

    held = {"kind": "pathological", "classes": 1}
    holders = {"by": "class_holder", "label": "class_1", "fraction": 1.0}
    resolved = plan({"do": "leave", "round": 2, "select": holders, "erase": True}, data__partition=held)
    from clients.data import load

    labels = load(resolved.configs[0].data).y
    assert set(range(6)) - set(at(resolved, 2).present) == {b.peer for b in resolved.configs if set(labels[list(b.rows)]) == {1}} != set()


def test_mass_exit_is_keyed_by_the_seed():
    event = {"do": "leave", "round": 2, "fraction": 0.5, "erase": True}
    left = {seed: at(plan(event, seed=seed), 2).present for seed in range(8)}
    assert all(len(present) == 3 for present in left.values())
    assert len(set(left.values())) > 1
    assert at(plan(event, seed=5), 2).present == left[5]


def test_offline_and_back():
    resolved = plan({"do": "offline", "round": 3, "peers": [1], "rounds": 2})
    assert [1 in now.present for now in resolved.timeline.rounds] == [True, True, False, False, True, True, True, True]
    assert all(1 in now.members for now in resolved.timeline.rounds)
    assert at(resolved, 5).happenings[0].do == "back"
    early = plan({"do": "offline", "round": 3, "peers": [1]}, {"do": "rejoin", "round": 7, "peers": [1]})
    assert [now.round for now in early.timeline.rounds if 1 not in now.present] == [3, 4, 5, 6]


def test_join():
    resolved = plan({"do": "join", "round": 4, "peers": "edge"})
    assert at(resolved, 3).members == (0, 1, 2, 3)
    assert at(resolved, 4).members == (0, 1, 2, 3, 4, 5)
    assert at(resolved, 3).edges == ((0, 1), (1, 2), (2, 3))
    assert at(resolved, 4).edges == ((0, 1), (0, 5), (1, 2), (2, 3), (3, 4), (4, 5))


def test_delete_by_fraction_ids_and_label():
    resolved = plan({"do": "delete", "round": 2, "peer": 3, "rows": {"fraction": 0.2}})
    rows = resolved.configs[3].rows
    gone = at(resolved, 2).forget[3]
    assert len(gone) == round(0.2 * len(rows))
    assert set(gone) < set(rows)
    (erasure,) = resolved.timeline.erasures
    assert (erasure.kind, erasure.rows) == ("rows", gone)

    named = plan({"do": "delete", "round": 2, "peer": 3, "rows": {"ids": [rows[4], rows[1]]}})
    assert at(named, 2).forget == {3: (rows[1], rows[4])}

    by_label = plan({"do": "delete", "round": 2, "peers": "edge", "rows": {"label": "class_1"}})
    assert set(at(by_label, 2).forget) == {4, 5}
    assert [(one.request, one.peer) for one in by_label.timeline.erasures] == [(0, 4), (0, 5)]


def test_a_deletion_waits_for_an_absent_peer():
    away = {"do": "offline", "round": 3, "peers": [1], "rounds": 3}
    ask = {"do": "delete", "round": 4, "peer": 1, "rows": {"fraction": 0.1}}
    resolved = plan(away, ask)
    assert at(resolved, 4).forget == {}
    assert "due when the peer is present again" in at(resolved, 4).happenings[0].detail
    assert set(at(resolved, 6).forget) == {1}
    assert resolved.timeline.erasures[0].round == 6
    assert "asked for in round 4" in at(resolved, 6).happenings[-1].detail

    never = plan(away | {"rounds": 9}, ask)
    assert never.timeline.erasures == ()
    assert "never carried out" in at(never, 8).happenings[-1].detail
    assert at(never, 8).happenings[-1].do == "undone", "a deletion is what was done"


def test_crash_straggle_and_refuse():
    resolved = plan(
        {"do": "crash", "round": 2, "peers": [0], "phase": "before_sending"},
        {"do": "straggle", "round": 2, "peers": [1], "delay": 3, "rounds": 2},
        {"do": "refuse", "round": 4, "peers": [2]},
    )
    assert at(resolved, 2).crash == {0: "before_sending"}
    assert [now.late for now in resolved.timeline.rounds[:4]] == [{}, {1: 3}, {1: 3}, {}]
    assert [now.refusing for now in resolved.timeline.rounds[2:6]] == [(), (2,), (2,), (2,)]


def test_crash_during_a_peers_own_deletion():
    resolved = plan({"do": "crash", "round": 2, "peers": [0]}, {"do": "delete", "round": 2, "peer": 0, "rows": {"fraction": 0.1}})
    assert set(at(resolved, 2).crash) == set(at(resolved, 2).forget) == {0}


def test_cut_and_link_can_isolate_a_peer():
    resolved = plan(
        {"do": "cut", "round": 2, "edges": [[1, 0], [1, 2]]},
        {"do": "link", "round": 4, "edges": [[4, 1]]},
        {"do": "cut", "round": 5, "edges": [[1, 4]]},
    )
    assert not any(1 in edge for edge in at(resolved, 2).edges)
    assert 1 in at(resolved, 2).present
    assert (1, 4) in at(resolved, 4).edges
    assert (1, 4) not in at(resolved, 5).edges


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"do": "cut", "round": 2, "edges": [[0, 3]]}, "there is no edge 0-3 in round 2: cut one that is there, peer 0 is beside 1, 5"),
        ({"do": "link", "round": 2, "edges": [[0, 1]]}, "the edge 0-1 is there already"),
        ({"do": "refuse", "round": 2, "peers": [9]}, "peer 9 is unknown"),
        ({"do": "erase", "round": 2, "peers": [-1]}, "peer -1 is unknown"),
        ({"do": "straggle", "round": 2, "peers": "big"}, "group 'big' is unknown: the groups are edge"),
        ({"do": "delete", "round": 2, "peer": 0, "rows": {"ids": [1, 1]}}, "row 1 is named twice"),
    ],
)
def test_events_that_cannot_be(event, words):
    assert words in error(event)


def test_a_deletion_may_not_empty_a_peer():
    rows = plan().configs[2].rows
    told = error({"do": "delete", "round": 2, "peer": 2, "rows": {"ids": list(rows)}})
    assert f"peer 2 would keep no row of its {len(rows)}: use leave with erase = true" in told


# ---- corner cases of planning


def test_two_requests_in_one_round():
    resolved = plan(leave(3, 4), {"do": "delete", "round": 3, "peer": 1, "rows": {"fraction": 0.1}}, leave(3, 0))
    assert at(resolved, 3).erased == (0, 4)
    assert set(at(resolved, 3).forget) == {1}
    assert [(one.index, one.request, one.peer) for one in resolved.timeline.erasures] == [(0, 0, 4), (1, 1, 0), (2, 2, 1)]


def test_the_same_request_twice():
    rows = plan().configs[1].rows[:2]
    once = {"do": "delete", "round": 2, "peer": 1, "rows": {"ids": list(rows)}}
    assert f"row ids {rows[0]}, {rows[1]} are not held by peer 1; row {rows[0]} was deleted before" in error(once, once | {"round": 5})
    assert "peer 4 cannot leave: it has been erased since round 3" in error(leave(3, 4), leave(3, 4))


def test_rows_and_their_whole_peer_in_one_round():
    resolved = plan({"do": "delete", "round": 3, "peer": 4, "rows": {"fraction": 0.1}}, leave(3, 4))
    assert at(resolved, 3).forget == {}
    assert [(one.kind, one.rows) for one in resolved.timeline.erasures] == [("peer", resolved.configs[4].rows)]
    assert any("covered by the peer's erasure" in one.detail for one in at(resolved, 3).happenings)


def test_an_erasure_covers_deletions_that_were_still_due():
    resolved = plan(
        {"do": "offline", "round": 2, "peers": [4]}, {"do": "delete", "round": 3, "peer": 4, "rows": {"fraction": 0.5}}, leave(5, 4)
    )
    assert [(one.kind, one.rows) for one in resolved.timeline.erasures] == [("peer", resolved.configs[4].rows)]
    assert "covers the deletions still due from peer 4" in at(resolved, 5).happenings[0].detail


def test_erase_then_rejoin_under_the_same_id():
    resolved = plan(
        {"do": "delete", "round": 2, "peer": 4, "rows": {"fraction": 0.2}},
        leave(3, 4),
        {"do": "rejoin", "round": 6, "peers": [4]},
        leave(8, 4),
    )
    assert [now.generation for now in resolved.timeline.rounds] == [{}, {}, {}, {}, {}, {4: 1}, {}, {}]
    first, again = resolved.config(4), resolved.config(4, 1)
    assert again.generation == 1
    assert set(again.rows) == set(first.rows) - set(at(resolved, 2).forget[4])
    assert [(one.kind, one.generation) for one in resolved.timeline.erasures] == [("rows", 0), ("peer", 0), ("peer", 1)]
    assert resolved.timeline.erasures[2].rows == again.rows
    assert at(resolved, 6).edges == at(resolved, 1).edges


def test_a_silent_leaver_rejoins_where_it_stopped():
    resolved = plan(leave(3, 4, erase=False), {"do": "rejoin", "round": 5, "peers": [4]})
    assert at(resolved, 5).generation == {}
    assert 4 in at(resolved, 5).present


def test_an_offline_peer_is_erased_when_its_turn_comes():
    resolved = plan({"do": "offline", "round": 2, "peers": [4], "rounds": 5}, leave(3, 4))
    assert at(resolved, 3).erased == (4,)
    assert all(4 not in now.present for now in resolved.timeline.rounds[1:])


def test_a_peer_that_never_trained_can_be_erased_and_can_forget():
    resolved = plan(leave(1, 4), {"do": "delete", "round": 1, "peer": 0, "rows": {"fraction": 0.1}})
    assert at(resolved, 1).erased == (4,)
    assert set(at(resolved, 1).forget) == {0}


@pytest.mark.parametrize(("policy", "parts"), [("none", 2), ("bridge", 1), ("rewire", 1)])
def test_a_cut_vertex_leaves(policy, parts):
    resolved = plan(leave(3, 2), topology={"kind": "line", "on_leave": policy})
    graph = nx.Graph(list(at(resolved, 3).edges))
    graph.add_nodes_from(at(resolved, 3).members)
    assert nx.number_connected_components(graph) == parts


@pytest.mark.parametrize(("policy", "edges"), [("none", 0), ("bridge", 4)])
def test_a_star_loses_its_hub(policy, edges):
    assert len(at(plan(leave(3, 0), topology={"kind": "star", "on_leave": policy}), 3).edges) == edges


def test_rewiring_that_is_impossible_is_no_error():
    resolved = plan(leave(3, 0), topology={"kind": "complete", "on_leave": "rewire"})
    assert len(at(resolved, 3).edges) == 10


def test_the_last_holder_of_a_class_leaves():
    resolved = plan(leave(3, 0), data__partition={"kind": "pathological", "classes": 1}, peers__count=3, peers__groups={})
    assert resolved.classes == 3
    assert at(resolved, 3).present == (1, 2)


def test_everybody_leaves_and_everybody_is_offline():
    resolved = plan(leave(3, *range(6)))
    assert at(resolved, 3).present == at(resolved, 8).members == at(resolved, 8).edges == ()
    assert len(resolved.timeline.erasures) == 6
    offline = plan({"do": "offline", "round": 3, "peers": list(range(6)), "rounds": 1})
    assert [len(now.present) for now in offline.timeline.rounds[1:4]] == [6, 0, 6]


def test_the_only_peer():
    resolved = plan(leave(3, 0), peers__count=1, peers__groups={})
    assert [now.present for now in resolved.timeline.rounds[1:3]] == [(0,), ()]


def test_join_and_leave_in_one_round_contradict():
    assert "peer 4 cannot leave: an event made it join in the same round 3" in error({"do": "join", "round": 3, "peers": [4]}, leave(3, 4))
    assert "peer 4 cannot leave: it has not joined yet" in error({"do": "join", "round": 5, "peers": [4]}, leave(3, 4))


def test_order_inside_a_round_does_not_follow_the_file():
    events = [{"do": "crash", "round": 3, "peers": [5]}, {"do": "delete", "round": 3, "peer": 5, "rows": {"fraction": 0.1}}]
    resolved = plan(*events, {"do": "join", "round": 3, "peers": [5]})
    assert [one.do for one in at(resolved, 3).happenings] == ["join", "delete", "crash"]


# ---- churn


def test_markov_churn_is_keyed_by_peer_and_round():
    churn = {"kind": "markov", "p_off": 0.4, "p_on": 0.5, "start": 2}
    resolved = plan(churn=churn, rounds=20)
    again = plan(leave(3, 0), churn=churn, rounds=20)
    assert at(resolved, 1).present == (0, 1, 2, 3, 4, 5)
    assert any(len(now.present) < 6 for now in resolved.timeline.rounds)
    assert all(now.members == (0, 1, 2, 3, 4, 5) for now in resolved.timeline.rounds)
    for one, other in zip(resolved.timeline.rounds, again.timeline.rounds, strict=True):
        assert set(one.present) - {0} == set(other.present) - {0}
    assert resolved.digest == plan(churn=churn, rounds=20).digest != plan(churn=churn, rounds=20, seed=4).digest


def test_churn_of_a_group_leaves_the_others_alone():
    resolved = plan(churn={"kind": "markov", "p_off": 1.0, "p_on": 0.0, "peers": "edge"})
    assert all(now.present == (0, 1, 2, 3) for now in resolved.timeline.rounds)
    assert "peer 7 is unknown" in error(churn={"kind": "markov", "p_off": 1.0, "p_on": 0.0, "peers": [7]})


def test_a_trace_says_who_is_present_when(tmp_path):
    (tmp_path / "trace.csv").write_text("peer,from,to\n0,1,3\n1,2,4\n1,4,5\n")
    once = plan(churn={"kind": "trace", "path": str(tmp_path / "trace.csv")})
    assert [now.round for now in once.timeline.rounds if 0 in now.present] == [1, 2]
    assert [now.round for now in once.timeline.rounds if 1 in now.present] == [2, 3, 4]
    assert all(2 in now.present for now in once.timeline.rounds)
    wrapped = plan(churn={"kind": "trace", "path": str(tmp_path / "trace.csv"), "period": 4})
    assert [now.round for now in wrapped.timeline.rounds if 0 in now.present] == [1, 2, 5, 6]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n", "line 1 must be peer,from,to"),
        ("peer,from,to\n0,x,3\n", "line 2 is '0,x,3'"),
        ("peer,from,to\n0,3,3\n", "from 3 to 3 is no interval"),
    ],
)
def test_traces_that_cannot_be_read(tmp_path, text, words):
    (tmp_path / "t.csv").write_text(text)
    assert words in error(churn={"kind": "trace", "path": str(tmp_path / "t.csv")})


def test_what_happens_to_peers_that_happen_to_be_away():
    churn = {"kind": "markov", "p_off": 1.0, "p_on": 1.0, "start": 3, "peers": [1, 4]}  # away in rounds 3, 5, 7
    resolved = plan(
        {"do": "crash", "round": 3, "peers": [1]},
        {"do": "delete", "round": 3, "peer": 1, "rows": {"fraction": 0.1}},
        leave(2, 4),
        {"do": "rejoin", "round": 3, "peers": [4]},
        churn=churn,
    )
    assert at(resolved, 3).crash == at(resolved, 3).forget == at(resolved, 3).generation == {}
    assert set(at(resolved, 4).forget) == {1}
    assert at(resolved, 4).generation == {4: 1}


def test_every_registered_event_names_its_do():
    for name in EVENTS.targets():
        spec = EVENTS.load(name)
        assert spec.model_fields["do"].default == name
        assert spec.stage in ("membership", "request", "fault")
