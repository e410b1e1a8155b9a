"""What is stored is measured on what lies there, and said beforehand where it does not depend on the rows."""

from __future__ import annotations

from typing import Any

import pytest

from clients import wire
from clients.checks.case import Case
from clients.models.linear import Linear
from clients.participant import ROWS
from clients.unlearning import UNLEARNERS
from clients.unlearning.contract import Problem
from clients.unlearning.exact.sisa import Sisa
from simulator.report import words
from simulator.report.classification.page import ClassificationPage
from simulator.report.collect import collect
from simulator.report.sections import peers
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.resolution import resolve
from simulator.storage.reading import reading
from simulator.tasks.contract import cell_of
from tests.clients.unlearning.test_contract import BASES, case_of

NOT_TOLD = ("dare", "grapheraser", "hedgecut", "receraser")
"""Their trees and partitions depend on what the rows are."""


@pytest.mark.parametrize("kind", [kind for kind in UNLEARNERS.targets() if kind not in NOT_TOLD])
def test_what_a_state_takes_is_told_beforehand(kind: str) -> None:
    case = case_of(kind)
    assert case.spec.state_bytes(case.of.problem, len(case.ids)) == _bytes(case)


@pytest.mark.parametrize("base", ["adaptive_queries", "naive_bayes"])
def test_what_sharded_unlearners_take_is_told_beforehand(base: str) -> None:
    case = BASES[base]()
    assert case.spec.state_bytes(case.of.problem, len(case.ids)) == _bytes(case)


def test_what_depends_on_the_rows_is_not_told() -> None:
    for case in (*map(case_of, NOT_TOLD), BASES["dare"]()):
        assert case.spec.state_bytes(case.of.problem, len(case.ids)) is None


def test_every_shard_and_slice_takes_a_network() -> None:
    of = Problem((64,), 10)
    sizes = {(s, r): Sisa(shards=s, slices=r, base=Linear()).state_bytes(of, 50) for s in (1, 3) for r in (1, 4)}
    network = 4 * (64 * 10 + 10)
    assert sizes == {(s, r): s * r * network + 8 for s, r in sizes}


def test_results_tell_what_lies_on_the_disk(finished: Run) -> None:
    told = finished.results["stored"]
    for one in told["peers"]:
        state = _state(finished, one["peer"])
        assert one["main"] == (finished.folder / "artefacts" / f"{state[0]}.safetensors").stat().st_size
        assert one["seed"] == (finished.folder / "artefacts" / f"{state[1]}.safetensors").stat().st_size
    held = {one["peer"]: one["held"] for one in told["peers"]}
    assert all(size > 0 for size in held.values()), "every peer of a ring holds seeds"
    assert told["server"] == 0
    assert verify(finished.folder) == []


def test_what_check_tells_is_what_the_run_stores(finished: Run) -> None:
    plan = finished.plan
    said = dict(cell_of(plan).costs(plan))["stored with main models"]
    places = [finished.folder / "artefacts" / f"{_state(finished, peer)[0]}.safetensors" for peer in range(3)]
    states = [wire.from_bytes(place.read_bytes()) for place in places]
    models = [sum(array.nbytes for name, array in state.items() if name != ROWS) for state in states]
    assert len(set(models)) == 3, "three kinds of main models"
    ids = 8 * sum(len(config.rows) for config in plan.configs)
    assert said == f"{2 * sum(models) + ids:,} bytes at 6 peers if nothing is deleted"


def test_what_is_not_known_beforehand_is_told_to_be_so(scenario: Any) -> None:
    peers = {"count": 4, "main": [{"kind": "dare", "trees": 3}, {"kind": "linear"}], "seed": {"kind": "linear"}}
    plan = resolve(scenario(peers=peers))
    said = dict(cell_of(plan).costs(plan))["stored with main models"]
    known = sum(4 * 650 + 8 + 8 * len(config.rows) for config in plan.configs[1::2])
    assert said == f"{known:,} bytes at 2 peers if nothing is deleted; of 2 peers it depends on their rows"


def test_the_report_tells_it_of_each_peer(finished: Run) -> None:
    data = collect(finished.folder)
    sizes = {one["peer"]: one["main"] for one in finished.results["stored"]["peers"]}
    assert {row.peer: row.stored for row in data.peers if row.stored is not None} == sizes
    shown = peers.SECTION.view(data, ClassificationPage())
    assert shown is not None
    assert shown["headings"][-1] == "stored with it"
    assert shown["rows"][0]["texts"][-1] == words.size(sizes[0])


def _bytes(case: Case) -> int:
    return sum(array.nbytes for array in case.fit().state().values())


def _state(run: Run, peer: int) -> tuple[str, str]:
    with reading(run.folder) as store:
        state = store.states()[peer]
    return state.main, state.seed
