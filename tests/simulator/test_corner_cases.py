"""What departures and deletions must survive; after each case the erased stay erased and the run is proven."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from simulator.runs.run import Run
from simulator.runs.verify import verify

Play = Callable[..., Run]
STAR = {"kind": "star", "on_leave": "none"}


def leave(number: int, *peers: int, **more: Any) -> dict[str, Any]:
    return {"round": number, "do": "leave", "peers": list(peers), "erase": True} | more


def delete(number: int, peer: int, **rows: Any) -> dict[str, Any]:
    return {"round": number, "do": "delete", "peer": peer, "rows": rows or {"fraction": 0.2}}


def proven(run: Run) -> Run:
    """Check the laws that hold after every case, and return the run."""
    assert verify(run.folder) == []
    for erasure in run.results["erasures"]:
        if erasure["guarantee"] == "exact" and erasure["max_abs_difference"] is not None:
            assert erasure["max_abs_difference"] == 0.0
    return run


def holders_of(run: Run, owner: int, after: int) -> set[int]:
    held = run.holdings
    there = held[(held.owner == owner) & (held.since <= after) & ~(held.until <= after)]
    return set(there.holder)


def test_two_requests_in_one_round(play: Play) -> None:
    run = proven(play(event=[leave(3, 4), leave(3, 0), delete(3, 2)]))
    assert {(one["kind"], one["peer"]) for one in run.results["erasures"]} == {("peer", 0), ("peer", 4), ("rows", 2)}


def test_rows_and_their_whole_peer_in_one_round(play: Play) -> None:
    run = proven(play(event=[delete(3, 4), leave(3, 4)], audit={"counterfactual": False}))
    assert holders_of(run, 4, after=3) == set()


def test_rows_of_a_peer_whose_last_seed_comes_late(play: Play) -> None:
    late = {"round": 4, "do": "straggle", "peers": [2], "delay": 3}
    run = proven(play(event=[late, delete(4, 2)]))
    seed = run.holdings[(run.holdings.owner == 2) & run.holdings.until.isna()]
    assert set(seed.since) == {5}, "neighbours judge with the clean seed, as if it had not been late"


def test_an_erased_peer_that_comes_back_gets_nothing_back(play: Play) -> None:
    run = proven(play(event=[leave(3, 4), {"round": 4, "do": "rejoin", "peers": [4]}]))
    seeds = run.holdings[run.holdings.owner == 4]
    before, after = seeds[seeds.since <= 3], seeds[seeds.since > 3]
    assert set(before.sha256)
    assert set(after.sha256)
    assert set(before.sha256).isdisjoint(after.sha256)
    assert set(before.until) == {3}
    assert set(after.version) == {1}


def test_a_star_loses_its_hub(play: Play) -> None:
    run = proven(play(topology=STAR, event=[leave(3, 0)]))
    assert run.results["erasures"][0]["holders"] == [1, 2, 3, 4, 5]
    last = run.metrics[(run.metrics["round"] == 5) & (run.metrics.peer >= 0)].pivot(index="peer", columns="name", values="value")
    assert (last["accuracy.global.ensemble"] == last["accuracy.global.main"]).all(), "isolated peers predict with their main model"


def test_a_cut_vertex_leaves_and_the_graph_is_bridged(play: Play) -> None:
    run = proven(play(topology={"kind": "line", "on_leave": "bridge"}, event=[leave(2, 2)]))
    assert (1, 3) in run.plan.timeline.rounds[2].edges
    assert holders_of(run, 1, after=4) == {0, 3}


def test_the_last_holder_of_a_class_leaves(play: Play) -> None:
    data = {"dataset": "digits", "rows": 400, "reference": 60, "test": 80, "partition": {"kind": "pathological", "classes": 2}}
    run = proven(
        play(data=data, event=[{"round": 3, "do": "leave", "select": {"by": "class_holder", "label": 3, "count": 1}, "erase": True}])
    )
    assert run.accuracy["global"]["ensemble"] is not None


def test_everybody_leaves(play: Play) -> None:
    run = proven(play(event=[leave(3, *range(6))]))
    assert run.accuracy["global"]["ensemble"] is None
    assert [line["live"] for line in run.results["timeline"]] == [6, 6, 0, 0]
    assert list((run.folder / "artefacts").iterdir()) == []


def test_everybody_is_offline_in_one_round(play: Play) -> None:
    run = proven(play(event=[{"round": 2, "do": "offline", "peers": list(range(6)), "rounds": 1}]))
    assert [line["live"] for line in run.results["timeline"]] == [6, 0, 6, 6]


def test_a_crash_during_ones_own_erasure(play: Play) -> None:
    crash = {"round": 3, "do": "crash", "peers": [2], "phase": "during_training"}
    run = proven(play(event=[delete(3, 2), crash]))
    steps = run.metrics[(run.metrics.name == "unlearning_steps") & (run.metrics.peer == 2)]
    assert list(steps["round"]) == [4], "the request is carried out when the peer is back"


def test_a_request_while_a_shard_is_retraining(play: Play) -> None:
    crash = {"round": 3, "do": "crash", "peers": [2], "phase": "before_sending"}
    rows = play(audit={"counterfactual": False}).plan.configs[2].rows
    run = proven(play(event=[delete(3, 2, ids=list(rows[:3])), crash, delete(4, 2, ids=list(rows[3:7]))]))
    steps = run.metrics[(run.metrics.name == "unlearning_steps") & (run.metrics.peer == 2)]
    assert list(steps["round"]) == [4], "the shards restart once, for both requests"
    first, second = run.results["erasures"]
    assert (first["gradient_steps"], second["gradient_steps"]) == (*steps.value, 0)
    assert second["notes"] == ["cost: counted with erasure 0, which the same message served"]
    assert set(run.peers()[2].rows.ids).isdisjoint(rows[:7])


def test_a_holder_crashes_when_it_should_drop_a_seed(play: Play) -> None:
    run = proven(play(event=[leave(3, 4), {"round": 3, "do": "crash", "peers": [3], "phase": "before_training"}]))
    assert {receipt["holder"]: receipt["round"] for receipt in run.results["erasures"][0]["receipts"]} == {5: 3, 3: 4}


def test_a_crash_in_the_last_round_does_not_save_the_rows(play: Play) -> None:
    run = proven(play(event=[delete(4, 2), {"round": 4, "do": "crash", "peers": [2], "phase": "before_sending"}]))
    assert holders_of(run, 2, after=4) == set()


def test_a_holder_is_offline_when_it_should_drop_a_seed(play: Play) -> None:
    run = proven(play(event=[{"round": 3, "do": "offline", "peers": [3], "rounds": 1}, leave(3, 4)]))
    assert {receipt["holder"]: receipt["round"] for receipt in run.results["erasures"][0]["receipts"]} == {5: 3, 3: 4}


def test_a_receipt_that_never_came_fails_the_proof(play: Play) -> None:
    run = play(event=[{"round": 3, "do": "offline", "peers": [3], "rounds": 2}, leave(3, 4)])
    assert any("peer 3 gave no receipt" in line for line in verify(run.folder))


@pytest.mark.parametrize("refuses", [False, True])
def test_a_holder_is_erased_before_it_could_give_its_receipt(refuses: bool, play: Play) -> None:
    crash = {"round": 3, "do": "crash", "peers": [3], "phase": "before_training"}
    refuse = {"round": 2, "do": "refuse", "peers": [3]}
    run = play(event=[leave(3, 4), refuse if refuses else crash, leave(4, 3)], audit={"counterfactual": False})
    assert [line for line in verify(run.folder) if "peer 3 gave no receipt" in line] != [] if refuses else not verify(run.folder)
    assert (run.results["verdict"]["name"] == "disproved") == refuses


def test_a_late_seed_of_an_erased_peer_never_arrives(play: Play) -> None:
    late = {"round": 2, "do": "straggle", "peers": [4], "delay": 1, "rounds": 1}
    run = proven(play(event=[late, leave(3, 4)]))
    assert set(run.holdings[run.holdings.owner == 4].version) == {1}
    control = play(event=[late, {"round": 3, "do": "offline", "peers": [4], "rounds": 2}])
    assert 2 in set(control.holdings[control.holdings.owner == 4].version), "the control: without the erasure it arrives"


def test_a_silent_leaver_stays_in_the_ensembles_until_it_is_erased(play: Play) -> None:
    run = proven(play(event=[leave(2, 4, erase=False), {"round": 4, "do": "erase", "peers": [4]}]))
    assert holders_of(run, 4, after=3) == {3, 5}
    assert holders_of(run, 4, after=4) == set()
    assert run.results["erasures"][0]["holders"] == [3, 5]


def test_a_silent_leaver_comes_back_as_itself(play: Play) -> None:
    run = proven(play(event=[leave(2, 4, erase=False), {"round": 4, "do": "rejoin", "peers": [4]}]))
    assert run.holdings[run.holdings.owner == 4].version.max() == 2


def test_an_isolated_peer(play: Play) -> None:
    run = proven(play(event=[{"round": 2, "do": "cut", "edges": [[3, 4], [4, 5]]}, leave(3, 4)]))
    assert run.results["erasures"][0]["holders"] == []
    assert run.results["erasures"][0]["receipts"] == []


def test_a_peer_that_never_trained_is_erased(play: Play) -> None:
    run = proven(play(event=[leave(1, 4)]))
    assert run.results["erasures"][0]["holders"] == []


def test_a_peer_joins_late_and_is_served(play: Play) -> None:
    run = proven(play(event=[{"round": 3, "do": "join", "peers": [4]}]))
    assert [line["live"] for line in run.results["timeline"]] == [5, 5, 6, 6]
    assert holders_of(run, 4, after=3) == set()
    assert holders_of(run, 4, after=4) == {3, 5}


@pytest.mark.parametrize("phase", ["before_training", "during_training", "after_training", "before_sending", "after_sending"])
def test_a_crash_loses_what_was_not_sent(play: Play, phase: str) -> None:
    run = proven(play(event=[{"round": 3, "do": "crash", "peers": [1], "phase": phase}]))
    versions = run.holdings[run.holdings.owner == 1].version.max()
    assert versions == (4 if phase == "after_sending" else 3)
