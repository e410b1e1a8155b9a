"""A run with certified removals is proven again from its directory, and is not where the certificate is a lie."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from typing import Any

import numpy as np
import pytest

from clients.unlearning.approximate.certified.certificate import Residual
from clients.unlearning.approximate.certified.commitment import Commitment
from clients.unlearning.approximate.certified.perturbation import Law
from clients.unlearning.approximate.certified.removal import Removing
from clients.unlearning.contract import family
from simulator.errors import ScenarioError
from simulator.report.collect import collect
from simulator.report.render import render
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.tasks.contract import cell_of

MAIN: dict[str, Any] = {"kind": "certified_removal", "sigma": 0.5}
TINY: dict[str, Any] = {
    "rounds": 3,
    "data": {"dataset": "breast_cancer", "rows": 160, "reference": 20, "test": 40, "partition": {"kind": "iid"}},
    "peers": {"count": 2, "main": [MAIN], "seed": {"kind": "linear"}},
    "training": {"epochs": 1},
    "distillation": {"epochs": 1},
    "topology": {"kind": "complete"},
    "audit": {"counterfactual": True},
    "event": [
        {"round": 2, "do": "delete", "peer": 1, "rows": {"fraction": 0.05}},
        {"round": 3, "do": "delete", "peer": 1, "rows": {"fraction": 0.1}},
    ],
}
WHO = "erasure 0 (rows of peer 1)"


def test_certificates_stand_in_the_results_and_are_proven_again(play: Callable[..., Run]) -> None:
    run = play(**TINY)
    rows = run.results["erasures"]
    assert [row["guarantee"] for row in rows] == ["certified(1, 0.0001)"] * 2
    first, second = (row["certificate"] for row in rows)
    assert first["kind"] == "residual"
    assert first["rows"] > second["rows"]
    assert 0 < second["bound"] < second["budget"]
    assert first["commitment"] != second["commitment"]
    assert 0 < rows[1]["max_abs_difference"] < rows[1]["max_abs_difference_nothing"], "closer to retraining than doing nothing"
    assert "residual at most" in rows[0]["notes"][0]
    assert verify(run.folder) == []
    assert run.results["verdict"]["name"] == "proven"
    data = collect(run.folder)
    page = unescape(render(data))
    assert "What was certified" in page
    for told in (first, second):
        assert f"<td>{told['bound']:.2g}</td><td>0.11</td><td>measured</td><td>0.5</td>" in page
        assert told["commitment"][:16] in page
    assert "Two erasures should be certified: the certificates of two hold." in page
    bare = replace(data, erasures=tuple(replace(row, certificate=None) for row in data.erasures))
    assert "What was certified" not in render(bare)
    foreign = replace(data, erasures=(replace(data.erasures[0], certificate={"kind": "counted", "rows": 3}),))
    assert "kind = counted, rows = 3" in render(foreign)


def lying(monkeypatch: pytest.MonkeyPatch, method: str, value: Any) -> None:
    monkeypatch.setattr(Removing if method != "draw" else Law, method, value)


LIES: dict[str, tuple[str, Any, str]] = {
    "no step is taken": ("_step", lambda self, removed: 0, "the residual is "),
    "another commitment": (
        "_commitment",
        lambda self: Commitment.of(self.rows.without(self.rows.ids[:1])),
        "its commitment is not one to ",
    ),
    "no perturbation": ("draw", lambda self, shape, *key: np.zeros(shape), "its perturbation was not drawn with sigma = 0.5"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_certificate_that_lies_is_disproved(lie: str, play: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    method, value, said = LIES[lie]
    with monkeypatch.context() as patch:
        lying(patch, method, value)
        run = play(**TINY | {"audit": {"counterfactual": False}, "event": TINY["event"][:1]})
    assert run.results["verdict"]["name"] == "disproved"
    lines = verify(run.folder)
    assert any(line.startswith(f"{WHO}: its certificate does not hold: {said}") for line in lines), lines


TOLD: list[tuple[dict[str, Any], str]] = [
    ({"bound": 0.2}, "its bound 0.2 is above the budget 0.114"),
    ({"budget": 0.5, "bound": 0.2}, "its budget is 0.5, sigma, epsilon and delta make 0.114"),
    ({"epsilon": 2.0}, "it is one of certified(2, 0.0001), certified(1, 0.0001) is claimed"),
]


@pytest.mark.parametrize(("change", "said"), TOLD)
def test_numbers_that_do_not_follow_from_each_other_are_refused(change: dict[str, Any], said: str) -> None:
    law = Law(1, 1e-4, 0.5)
    told = {"model": {"kind": "convex"}, "epsilon": 1.0, "delta": 1e-4, "sigma": 0.5, "factor": law.factor, "lipschitz": 0.1}
    told |= {"budget": law.budget, "certifier": "measured", "bound": 1e-9, "rows": 3, "draw": 0, "commitment": "", **change}
    certificate = Residual.model_validate_json(json.dumps(told))
    wrong = certificate.inconsistent("certified(1, 0.0001)")
    assert wrong == said


def test_a_deletion_that_is_never_carried_out_still_tells_what_it_would_claim(scenario: Callable[..., Scenario]) -> None:
    plan = resolve(scenario(**TINY))
    method, claim = cell_of(plan).method(plan, plan.timeline.erasures[0])
    assert (method, claim) == ("certified_removal", "certified(1, 0.0001)")
    assert family(claim) == "certified"


@pytest.mark.parametrize(
    ("main", "said"),
    [
        (MAIN | {"base": {"kind": "mlp"}}, "nothing is proven of removals from 'mlp'"),
        (MAIN | {"sigma": 0}, "sigma: is 0: write a number above 0"),
        (MAIN | {"sigma": 1e-15}, "take a larger sigma"),
    ],
)
def test_what_cannot_be_certified_is_refused_in_one_line(main: dict[str, Any], said: str, scenario: Callable[..., Scenario]) -> None:
    with pytest.raises(ScenarioError) as caught:
        resolve(scenario(**TINY | {"peers": TINY["peers"] | {"main": [main]}}))
    (line,) = caught.value.lines
    assert "peers.main.0" in line
    assert said in line
