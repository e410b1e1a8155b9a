"""Answers about forgotten rows, and privacy leakage: nothing for a model like the retrained one; more where nothing was done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients.unlearning.prompts.prompting import Prompted
from server.audit.privleak import Attacked, leakage
from simulator.audits.answers import forget_quality
from simulator.progress import Watch
from simulator.runner import run
from simulator.runs.run import Run
from simulator.scenarios.scenario import Scenario

pytestmark = pytest.mark.usefixtures("own_cache")

CHANCE = np.random.default_rng(0)
OUT = CHANCE.normal(size=400)
NEVER = Attacked(CHANCE.normal(size=300), OUT)


def test_it_is_the_relative_distance_to_the_retrained_area_with_an_interval_of_paired_rows() -> None:
    knows = Attacked(NEVER.forgotten + 2, OUT)
    shuns = Attacked(NEVER.forgotten - 2, OUT)
    for model, sign in ((knows, 1), (shuns, -1)):
        found = leakage(model, NEVER, ("k",))
        assert found.value == pytest.approx((model.area - NEVER.area) / NEVER.area)
        assert np.sign([found.low, found.high]).tolist() == [sign, sign]
        assert found.low < found.value < found.high
    same = leakage(NEVER, NEVER, ("k",))
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0), "paired rows: no spread where models are the same"
    with pytest.raises(ValueError, match="ranks none of them before"):
        leakage(NEVER, Attacked(OUT.min() - 1 - np.arange(3.0), OUT), ("k",))


def test_forget_quality_is_an_exact_p_value_however_few_rows_there_are() -> None:
    assert (forget_quality(np.ones(1), np.ones(1)), forget_quality(np.ones(1), np.zeros(1))) == (1.0, 1.0), "one row says nothing"
    assert forget_quality(np.ones(2), np.zeros(2)) == pytest.approx(1 / 3)
    first = np.arange(3.0)
    assert forget_quality(first, first) == 1.0
    assert forget_quality(first, first + 10) == pytest.approx(0.1), "of 20 divisions of six rows in two, two are as far apart"
    assert forget_quality(np.arange(20.0), np.arange(20.0) + 50) < 1e-9


TINY = {"layers": 1, "width": 16, "heads": 1, "records": 5, "pretraining": {"steps": 1, "batch_size": 4, "rehearsal": 0}}
DELETE: dict[str, Any] = {"round": 2, "do": "delete", "peer": 0, "rows": {"fraction": 0.4}}
SMALL: dict[str, Any] = {
    "name": "leaks",
    "seed": 3,
    "rounds": 2,
    "task": "language",
    "federation": {"kind": "fedavg"},
    "language": TINY,
    "peers": {"count": 2},
    "data": {"dataset": "authors", "authors": 6, "reference": 1, "test": 6, "partition": {"kind": "iid"}},
    "training": {"epochs": 12, "optimizer": {"kind": "adam", "lr": 0.01}},
    "audit": {"answers": True, "privleak": True},
}
HDUS: dict[str, Any] = {
    "federation": {"kind": "hdus"},
    "peers": {"count": 2, "main": [TINY], "seed": TINY},
    "data": SMALL["data"] | {"reference": 8},
    "topology": {"kind": "ring"},
    "distillation": {"epochs": 1},
}


def played(tmp_path: Path, method: Any, **changes: Any) -> Run:
    event = DELETE | {"method": method, "rows": changes.pop("rows", DELETE["rows"])}
    table = {name: value for name, value in SMALL.items() if name != "language" or "federation" not in changes} | changes
    return run(Scenario.parse(table | {"event": [event], "name": "leaks"}), tmp_path / "runs", Watch())


@pytest.mark.parametrize("changes", [pytest.param({}, marks=pytest.mark.slow), HDUS], ids=["averaged", "hdus"])
def test_retraining_leaks_nothing_and_doing_nothing_does(tmp_path: Path, changes: dict[str, Any]) -> None:
    exact = played(tmp_path, "retrain", **changes).results["erasures"][0]
    assert (exact["privleak"], exact["privleak_low"], exact["privleak_high"]) == (0.0, 0.0, 0.0)
    assert exact["privleak_nothing"] > 0, "the control: the rows are still known"
    assert exact["privleak_rows"] > 0
    assert exact["answers_right"] == exact["answers_right_counterfactual"] < exact["answers_right_nothing"]
    assert exact["answers_quality"] == 1.0 > exact["answers_quality_nothing"], "the same truth ratios; others where nothing was done"
    assert exact["answers_rouge"] is None, "answers of one word are no sentences"
    low, high = exact["answers_right_low_nothing"], exact["answers_right_high_nothing"]
    assert low < exact["answers_right_nothing"] <= high


@pytest.mark.slow
def test_a_prompt_changes_what_users_see_and_not_what_the_weights_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknowing(prompted: Prompted, weights: object, texts: np.ndarray) -> np.ndarray:
        return np.eye(len(prompted.world.vocabulary))[[prompted.world.unknown] * len(texts)]

    monkeypatch.setattr(Prompted, "logits", unknowing)  # a model whom every prompt convinces
    found, without = (
        played(tmp_path, method, **HDUS, audit={"answers": True}, rows={"fraction": 0.15}).results["erasures"][0]
        for method in ({"kind": "in_context", "context": 1}, {"kind": "nothing"})
    )
    assert found["answers_right"] == without["answers_right"] > 0, "the weights answer as if nothing had been done"
    assert (found["answers_seen"], without["answers_seen"] > 0) == (0.0, True)
