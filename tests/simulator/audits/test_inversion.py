"""Inversion in federations: a row that sums gave away is found, controls stay at chance, and who sees no two models is told so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulator.audits import views
from simulator.errors import ScenarioError
from simulator.runner import run
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario

Audited = Callable[..., dict[str, Any]]
DATA = {"dataset": "digits", "rows": 150, "reference": 10, "test": 110, "partition": {"kind": "iid"}}
SUMS = {"federation": {"kind": "sums", "model": {"kind": "ridge"}}, "peers": {"count": 2}}
SPIKING = {"kind": "spiking", "hidden": [8]}
WORDS = {"dataset": "authors", "authors": 6, "reference": 1, "test": 6, "partition": {"kind": "iid"}}
AVERAGED = {"federation": {"kind": "fedavg"}, "peers": {"count": 3, "main": [{"kind": "mlp", "hidden": [8]}]}}
NEIGHBOURS = {"peers": {"count": 2, "main": [{"kind": "linear"}], "seed": {"kind": "linear"}}, "topology": {"kind": "complete"}}


@pytest.fixture
def audited(tmp_path: Path) -> Audited:
    """Return a function that plays two rounds, in the second of which a row is deleted, and returns what the audit found."""

    def play(federation: dict[str, Any], adversary: str, **event: Any) -> dict[str, Any]:
        asked = {"round": 2, "do": "delete", "peer": 0, "rows": {"fraction": 0.06}} | event
        audit = {"counterfactual": False, "inversion": {"adversary": adversary}}
        content = {"name": "views", "rounds": 2, "data": DATA, "event": [asked], "audit": audit, **federation}
        return dict(run(Scenario.parse(content), tmp_path).results["erasures"][0])

    return play


def test_a_row_that_exact_sums_lose_is_found_whole(audited: Audited) -> None:
    found = audited(SUMS, "server")
    assert found["guarantee"] == "exact"
    assert (found["inversion"], found["inversion_labels"], found["inversion_rows"]) == (1, 1, 1)
    assert found["inversion_cosine"] == pytest.approx(1, abs=1e-9)
    assert found["inversion_psnr"] > 100
    assert found["inversion_other"] < 0.95
    assert found["inversion_nothing"] is None, "the control: sums without a request are equal, and give nothing away"


def test_a_step_along_the_gradient_of_one_row_gives_it_away(audited: Audited) -> None:
    steps = {"epochs": 1, "optimizer": {"kind": "sgd", "lr": 0.1}}
    found = audited(AVERAGED | {"training": steps}, "outsider", method={"kind": "gradient_ascent", "until": 9, **steps})
    assert (found["inversion"], found["inversion_labels"]) == (1, 1)
    assert found["inversion_cosine"] > 0.9 > max(found["inversion_cosine_again"], found["inversion_cosine_nothing"]) + 0.4
    assert (found["inversion_again"], found["inversion_nothing"]) == (0, 0), "the controls: two retrainings, and a round without a request"
    assert found["inversion_candidates"] == 99


@pytest.mark.parametrize(
    ("federation", "adversary", "told"),
    [
        (NEIGHBOURS, "server", "is for a server of networks"),
        (SUMS, "neighbour", "is for classifiers that exchange seeds"),
        (SUMS | {"federation": {"kind": "sums", "model": {"kind": "naive_bayes"}}}, "server", "naive_bayes has none: take ridge"),
        (AVERAGED | {"peers": {"count": 2, "main": [SPIKING]}}, "server", "spiking.* exchange spikes"),
        (NEIGHBOURS | {"peers": NEIGHBOURS["peers"] | {"seed": SPIKING}}, "neighbour", "spiking.* exchange spikes"),
        ({"task": "language", "federation": {"kind": "fedavg"}, "peers": {"count": 2}, "data": WORDS}, "server", "rows of text are words"),
    ],
)
def test_who_can_invert_no_two_models_is_told_so_before_the_run(federation: dict[str, Any], adversary: str, told: str) -> None:
    content = {"name": "views", "rounds": 2, "data": DATA, "audit": {"inversion": {"adversary": adversary}}, **federation}
    with pytest.raises(ScenarioError, match=f"audit.inversion: .*{told}"):
        resolve(Scenario.parse(content))


def test_classes_are_recovered_of_more_rows_than_gradients_are_matched_for(audited: Audited, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "MOST", 1)
    steps = {"epochs": 1, "optimizer": {"kind": "sgd", "lr": 0.1}}
    asked = {"rows": {"fraction": 0.5}, "method": {"kind": "gradient_ascent", "until": 9, **steps}}
    found = audited(AVERAGED | {"training": steps}, "server", **asked)
    assert found["inversion_labels"] > 2 / found["inversion_rows"]
    assert found["inversion_labels"] != found["inversion_labels_again"], "the control is another figure"


@pytest.mark.slow
def test_a_neighbour_finds_nothing_in_two_seeds(audited: Audited) -> None:
    found = audited(NEIGHBOURS, "neighbour")
    assert (found["inversion"], found["inversion_again"]) == (0, 0)
    assert found["inversion_low"] <= found["inversion"] <= found["inversion_high"]
