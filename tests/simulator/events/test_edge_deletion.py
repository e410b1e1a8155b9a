"""Deletions of edges: a peer forgets that two of its nodes are joined, and keeps both."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from rich.console import Console

from clients import wire
from clients.classification.hdus.peer import Peer
from clients.data import load
from clients.participant import EDGES
from clients.unlearning.contract import Cost, Outcome, UnlearningError
from clients.unlearning.exact.graph.eraser import GraphEraserModel
from server.timeline import Round
from simulator.errors import ScenarioError
from simulator.progress import Watch
from simulator.report.writing import page as report_of
from simulator.requests.counterfactual import without
from simulator.runner import prepare, resume, run
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.tasks.contract import plan_of
from simulator.tasks.schema import schema
from simulator.terminal.results import show_results

ERASER: dict[str, Any] = {"kind": "grapheraser", "shards": 2, "hidden": 8, "epochs": 5}
KEYED = ERASER | {"partition": "keyed", "aggregate": "mean"}
BLOCKS, SIZE = 3, 40

Build = Callable[..., Scenario]


def delete(number: int, peer: int, **what: Any) -> dict[str, Any]:
    return {"round": number, "do": "delete", "peer": peer, **what}


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Return a builder of scenarios in which peers 0 and 2 learn from edges, peer 1 does not."""
    drawn = nx.planted_partition_graph(BLOCKS, SIZE, 0.2, 0.02, seed=2)
    y = np.repeat(np.arange(BLOCKS), SIZE)
    x = sp.csr_matrix(np.random.default_rng(5).random((len(y), 6)) + np.eye(BLOCKS)[y] @ np.ones((BLOCKS, 6)) * 0.1)
    file = tmp_path_factory.mktemp("graph") / "blocks.npz"
    np.savez(file, x_data=x.data, x_indices=x.indices, x_indptr=x.indptr, x_shape=x.shape, edges=np.array(drawn.edges), y=y)
    table = {
        "name": "edges",
        "seed": 2,
        "rounds": 3,
        "data": {"dataset": "citations", "path": str(file), "reference": 15, "test": 15, "partition": {"kind": "communities"}},
        "peers": {"count": 3, "main": [ERASER, {"kind": "linear"}, KEYED], "seed": {"kind": "linear"}},
        "training": {"epochs": 1},
        "distillation": {"epochs": 2},
        "topology": {"kind": "ring"},
    }
    return lambda **changes: Scenario.parse(table | changes)


def first_draw(build: Build) -> dict[int, tuple[int, int]]:
    """Return the edges that the first event draws of peer 0 when it asks for five."""
    return resolve(build(event=[delete(2, 0, edges=5)])).timeline.erasures[0].edges


@pytest.fixture(scope="module")
def story(build: Build) -> Scenario:
    """Edges go, then further ones together with a row at the end of the first; peers crash over both requests."""
    row = next(iter(first_draw(build).values()))[0]
    events = [
        delete(2, 0, edges=5),
        delete(4, 0, edges=2),
        delete(4, 0, rows={"ids": [row]}),
        delete(2, 2, edges=4),
        {"round": 2, "do": "crash", "peers": [2]},
        {"round": 4, "do": "crash", "peers": [0]},
    ]
    return build(rounds=4, event=events, audit={"counterfactual": True, "membership_inference": True, "relearn": True})


@pytest.fixture(scope="module")
def finished(story: Scenario, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(story, tmp_path_factory.mktemp("runs"))


def test_edges_are_forgotten_as_if_they_had_never_been(finished: Run) -> None:
    erasures = finished.results["erasures"]
    assert [(row["kind"], row["peer"], row["rows"], row.get("edges")) for row in erasures] == [
        ("edges", 0, 0, 5), ("edges", 2, 0, 4), ("edges", 0, 0, 2), ("rows", 0, 1, None)
    ]  # fmt: skip
    for row in erasures:
        assert (row["method"], row["guarantee"], row["max_abs_difference"]) == ("grapheraser", "exact", 0.0)
        assert row["max_abs_difference_nothing"] > 0.0, "the comparison would notice if nothing had been forgotten"
        assert [receipt["holder"] for receipt in row["receipts"]] == row["holders"]
    assert [row["holders"] for row in erasures[2:]] == [[1, 2]] * 2, "one receipt for each request that the seed answers to"
    assert all(row["mia_auc"] is None and row["relearn_steps"] is None for row in erasures[:3]), "attacks are on rows"
    assert erasures[3]["mia_auc"] is not None
    assert verify(finished.folder) == []


def test_people_are_told_of_edges(finished: Run) -> None:
    page = report_of(finished.folder)
    assert "5 edges of peer 0" in page
    assert "Peers 0 and 2 had eleven edges deleted." in page
    show_results(finished, Console(file=(out := io.StringIO()), width=120))
    assert "5 edges of peer 0" in out.getvalue()


def test_a_run_that_ends_early_is_taken_up_with_the_edges_gone(story: Scenario, finished: Run, tmp_path: Path) -> None:
    class Impatient(Watch):
        def stage(self, what: str, rounds: int, done: int) -> Callable[[Round | None], None]:
            def advance(now: Round | None) -> None:
                if now and now.round == 2:
                    raise KeyboardInterrupt

            return advance

    folder = prepare(story, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        resume(folder, Impatient())
    assert resume(folder).digest == finished.digest
    assert verify(folder) == []


@pytest.mark.parametrize("lies", [False, True], ids=["ignores", "forgets the list alone"])
def test_a_peer_that_ignores_the_request_is_found_out(build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lies: bool) -> None:
    monkeypatch.setattr(GraphEraserModel if lies else Peer, "forget", lambda self, ids: Outcome(Cost(), "exact"))
    ignored = run(build(event=[delete(2, 0, edges=5)]), tmp_path)
    (row,) = ignored.results["erasures"]
    assert row["max_abs_difference"] == row["max_abs_difference_nothing"] > 0.0
    problems = verify(ignored.folder)
    assert any("erasure 0 (edges of peer 0): differs by" in line for line in problems)
    assert any("its main model still knows 5 of them, the first is [" in line for line in problems) != lies


def test_a_peer_that_has_forgotten_edges_is_one_that_never_had_them(build: Build) -> None:
    plan = resolve(build(event=[delete(2, 0, edges=5)]))
    gone = plan.timeline.erasures[0].edges
    peer, never = (Peer.new(one.configs[0]) for one in (plan, without(plan, 0)))
    control = Peer.new(plan.configs[0])
    for one in (peer, never, control):
        one.train()
    peer.forget(gone)
    assert peer.main_blob == never.main_blob != control.main_blob
    assert EDGES in wire.from_bytes(peer.main_blob)
    back = Peer.restored(plan.configs[0], peer.main_blob)
    assert back.main_blob == peer.main_blob
    with pytest.raises(UnlearningError, match="is not held"):
        back.forget([next(iter(gone))])
    back.forget(ends := sorted({end for pair in gone.values() for end in pair}))
    control.forget(ends)
    assert back.main_blob == control.main_blob, "no trace that there was more than the nodes to forget"
    assert EDGES not in wire.from_bytes(back.main_blob)


def test_all_edges_can_go(build: Build) -> None:
    config = resolve(build()).configs[0]
    peer = Peer.new(config)
    edges = load(config.data).edges_among(np.array(config.rows)).tolist()
    peer.train()
    peer.forget(edges)
    never = Peer.new(config.model_copy(update={"absent_edges": tuple(edges)}))
    never.train()
    assert peer.main_blob == never.main_blob
    assert len(peer.edges) == 0 < len(edges)


def test_edges_are_drawn_among_those_a_peer_holds_and_never_twice(build: Build) -> None:
    plan = resolve(build(event=[delete(2, 0, edges=5), delete(2, 0, rows={"fraction": 0.1}), delete(3, 0, edges=5)]))
    first, rows, second = plan.timeline.erasures
    assert [len(first.edges), len(second.edges)] == [5, 5]
    assert not first.edges.keys() & second.edges.keys()
    data, own = load(plan.configs[0].data), set(plan.configs[0].rows)
    for edge, ends in (first.edges | second.edges).items():
        assert tuple(data.edges[edge - len(data)]) == ends
        assert set(ends) <= own
    assert not {end for ends in second.edges.values() for end in ends} & set(rows.rows)
    assert plan.timeline.rounds[2].forget[0] == tuple(second.edges)
    assert first.edges == first_draw(build)
    assert first.edges != resolve(build(seed=3, event=[delete(2, 0, edges=5)])).timeline.erasures[0].edges
    assert plan_of(plan.model_dump_json()) == plan


def test_named_edges_wait_until_their_peer_is_back(build: Build) -> None:
    ends = list(next(iter(first_draw(build).values())))
    away = {"round": 1, "do": "offline", "peers": [0], "rounds": 2}
    plan = resolve(build(event=[away, delete(2, 0, edges=[ends[::-1]])]))
    assert [list(erasure.edges.values()) for erasure in plan.timeline.erasures] == [[tuple(ends)]]
    told = [one.detail for now in plan.timeline.rounds for one in now.happenings if one.do == "delete"]
    assert told == ["1 edge; due when the peer is present again", "1 edge, asked for in round 2"]


def test_a_row_that_never_was_has_no_edge_to_forget(build: Build) -> None:
    edges = first_draw(build)
    edge, (row, _) = next(iter(edges.items()))
    plan = resolve(build(event=[delete(2, 0, edges=5), delete(3, 0, rows={"ids": [row]})]))
    never = without(plan, 1)
    void = {one for one, ends in edges.items() if row in ends}
    assert edge in void
    assert set(never.timeline.rounds[1].forget[0]) == edges.keys() - void == never.timeline.erasures[0].edges.keys()


def test_edges_once_deleted_stay_out_of_later_generations(build: Build) -> None:
    back = [{"round": 2, "do": "leave", "peers": [0], "erase": True}, {"round": 3, "do": "rejoin", "peers": [0]}]
    plan = resolve(build(event=[delete(1, 0, edges=5), *back]))
    gone = plan.timeline.erasures[0].edges
    assert (plan.config(0).absent_edges, plan.config(0, 1).absent_edges) == ((), tuple(gone))
    assert set(Peer.new(plan.config(0)).edges) - set(Peer.new(plan.config(0, 1)).edges) == gone.keys()


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({"peer": 0, "edges": 999}, ", delete in round 2: peer 0 has 47 edges (left), fewer than 999: ask for at most 47"),
        ({"peers": [0, 1], "edges": 2}, ": peer 1 has a main model that knows no edges it could forget: name peers whose main model does"),
        ({"peer": 0, "edges": [[5, 5]]}, ": edge [5, 5] is not held by peer 0: name edges it holds, such as ["),
        ({"peer": 0, "edges": 0}, ".edges): is 0: give a number of edges of at least 1, or pairs of row ids such as [[3, 8]]"),
        ({"peer": 0, "edges": [[1, 2, 3]]}, ".edges): is [[1, 2, 3]]: give a number of edges"),
        ({"peer": 0}, "): needs either rows or edges: say what must be forgotten in one way"),
        ({"peer": 0, "edges": 1, "rows": {"fraction": 0.1}}, "): needs either rows or edges: say what must be forgotten in one way"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_answered_in_one_line(build: Build, what: dict[str, Any], said: str) -> None:
    assert said in refusal(build, {"round": 2, "do": "delete", **what})


def test_an_edge_is_not_asked_for_again(build: Build) -> None:
    pair = list(next(iter(first_draw(build).values())))
    asked = delete(2, 0, edges=[pair])
    assert f"edge {pair} is not held by peer 0; it was deleted before: name" in refusal(build, asked, asked | {"round": 3})
    assert f"it went with row {pair[0]}: name" in refusal(build, delete(2, 0, rows={"ids": pair[:1]}), asked)
    assert f"edge {pair} is named twice: name it once" in refusal(build, delete(2, 0, edges=[pair, pair[::-1]]))


def test_data_without_edges_has_none_to_delete(build: Build) -> None:
    plain = {"dataset": "wine", "reference": 15, "test": 15, "partition": {"kind": "iid"}}
    peers = {"count": 3, "main": [{"kind": "linear"}], "seed": {"kind": "linear"}}
    line = refusal(build, delete(2, 0, edges=1), data=plain, peers=peers)
    assert line.endswith("the rows of this data set are joined by no edges: name rows, or take dataset = 'citations'")


def refusal(build: Build, *events: dict[str, Any], **changes: Any) -> str:
    """Return the one line that says why these events cannot be."""
    with pytest.raises(ScenarioError) as error:
        resolve(build(event=list(events), **changes))
    (line,) = error.value.lines
    return line


def test_editors_know_the_key() -> None:
    assert "edges" in schema()["$defs"]["Delete"]["properties"]
