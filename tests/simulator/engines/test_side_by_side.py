"""Workers on a node with more CPUs than workers: they carry out pieces of a peer's work side by side, with the same bytes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

from clients.side_by_side import each
from simulator.engines import ENGINES
from simulator.runner import run
from simulator.scenarios.scenario import Scenario

SHARDS: dict[str, Any] = {
    "peers": {
        "count": 3,
        "main": [
            {"kind": "sisa", "shards": 3, "slices": 2, "base": {"kind": "linear"}},
            {"kind": "sisa", "shards": 2, "slices": 1, "base": {"kind": "naive_bayes"}},
        ],
        "seed": {"kind": "linear"},
    },
    "topology": {"kind": "complete"},
    "event": [{"round": 3, "do": "delete", "peer": peer, "rows": {"fraction": 0.3}} for peer in (0, 1)],
    "audit": {"counterfactual": False},
}


@pytest.mark.slow
def test_pieces_are_answered_in_order_and_by_as_many_processes_as_told(ray_cluster: None) -> None:
    import ray

    from simulator.engines.ray_worker import Worker

    class Probe(Worker):
        def __init__(self) -> None:
            pass

        def answers(self) -> list[tuple[int, int]]:
            return each(lambda number: (number, os.getpid()), [(number,) for number in range(5)])

    probe = ray.remote(Probe).options(num_cpus=0).remote()
    for lanes in (3, 1):
        ray.get(probe.widen.remote(lanes))
        answers = ray.get(probe.answers.remote())
        assert [number for number, _ in answers] == list(range(5))
        assert len({process for number, process in answers if number % lanes == 0}) == 1
        assert len({process for _, process in answers}) <= lanes
        assert (len({process for _, process in answers}) > 1) == (lanes > 1)
    ray.kill(probe)


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "processes"), [(1, 2), (2, 1)])
def test_a_worker_uses_the_cpus_that_no_worker_holds(ray_cluster: None, play: Callable[..., int], workers: int, processes: int) -> None:
    def asked(grid: Grid) -> int:
        (reply,) = grid.send_and_receive([Message(RecordDict(), dst_node_id=1, message_type="query.pieces")])
        return int(reply.content["found"]["processes"])

    assert play(ENGINES.load("ray")(kind="ray", workers=workers), asked, peers=2) == processes


@pytest.mark.slow
def test_shards_trained_side_by_side_give_the_digest_of_one_after_the_other(
    ray_cluster: None, scenario: Callable[..., Scenario], tmp_path: Path
) -> None:
    one = run(scenario(**SHARDS), tmp_path / "inline")
    assert run(scenario(**SHARDS, engine={"kind": "ray", "workers": 1}), tmp_path / "ray").digest == one.digest
    assert [row["gradient_steps"] > 0 for row in one.results["erasures"]] == [True, False], "sums take no step"
