"""Expectations that a scenario is let through with are of what is measured, and what is refused is not: played, and compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.ledger import FEDERATION
from simulator.errors import ScenarioError
from simulator.runner import run
from simulator.scenarios.expect import Expect
from simulator.scenarios.expectations import elsewhere
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.storage.reading import reading
from simulator.tasks.contract import cell_of

NETWORK = {"kind": "mlp", "hidden": [4]}
FEDERATIONS: dict[str, dict[str, Any]] = {
    "hdus": {"peers": {"count": 3, "main": [NETWORK], "seed": NETWORK}, "topology": {"kind": "complete"}, "distillation": {"epochs": 1}},
    "fedavg": {"federation": {"kind": "fedavg"}, "peers": {"count": 3, "main": [NETWORK]}},
    "sums": {"federation": {"kind": "sums", "model": {"kind": "ridge"}}, "peers": {"count": 3}},
}
AWAY = {"round": 2, "do": "offline", "peers": [1], "rounds": 1}
EXPECTED = ("accuracy.", "loss.", "bytes_overlay")
"""Metrics of every round; steps are counted only where some were taken."""


def scenario(kind: str, **changes: Any) -> Scenario:
    data = {"dataset": "digits", "rows": 90, "reference": 10, "test": 20, "partition": {"kind": "iid"}}
    given = {"name": "expected", "rounds": 3, "data": data, "event": [AWAY], "audit": {"counterfactual": False}}
    return Scenario.parse({**given, **FEDERATIONS[kind], **changes})


@pytest.mark.parametrize("kind", FEDERATIONS)
def test_what_is_let_through_is_measured_and_what_is_refused_is_not(kind: str, tmp_path: Path) -> None:
    done = run(scenario(kind), tmp_path)
    plan, last = done.plan, done.plan.rounds
    with reading(done.folder) as store:
        found = set(store.rows("select round, peer, name from metrics"))
    names = sorted({name for _, _, name in found if name.startswith(EXPECTED)})
    refused = 0
    for name in names:
        for peer in (None, 0, 1):
            for number in range(1, last + 2):
                one = Expect(after="final" if number > last else number, metric=name, peer=peer, min=0)
                asked = plan.scenario.model_copy(update={"expect": (one,)})
                told = list(elsewhere(asked, plan.timeline, cell_of(plan), plan.configs[0]))
                assert bool(told) != ((number, FEDERATION if peer is None else peer, name) in found), (name, peer, number, told)
                refused += len(told)
    assert refused, "the control: some are refused"


@pytest.mark.parametrize(
    ("kind", "expected", "line"),
    [
        ("fedavg", {"metric": "bytes_overlay", "peer": 0}, "'bytes_overlay' is measured of the federation, and of no peer: remove peer"),
        ("hdus", {"metric": "accuracy.global.main", "peer": 1}, "peer 1 is away or gone in round 2, and nothing is measured of it"),
        ("fedavg", {"metric": "accuracy.global.model", "peer": 0}, "of peer 0 is measured in the final evaluation alone: set after"),
        ("fedavg", {"metric": "loss.global", "after": "final"}, "'loss.global' is measured in rounds alone: set after to one"),
        ("hdus", {"metric": "accuracy.global.main", "peer": 3}, "expect 1 (expect.0): peer 3 is unknown: peers are 0 to 2"),
    ],
)
def test_they_are_refused_in_one_line(kind: str, expected: dict[str, Any], line: str) -> None:
    with pytest.raises(ScenarioError) as error:
        resolve(scenario(kind, expect=[{"after": 2, "min": 0, **expected}]))
    (said,) = str(error.value).splitlines()
    assert line in said
