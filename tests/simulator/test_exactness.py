"""Exact means bit-equal to the run in which it never was, and the comparison notices when it is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from simulator.runs.run import Run
from simulator.runs.verify import verify
from tests.simulator.refusals import check_found_out

LEAVE = {"round": 3, "do": "leave", "peers": [4], "erase": True}
DELETE = {"round": 3, "do": "delete", "peer": 2, "rows": {"fraction": 0.2}}
FINETUNE = [{"kind": "finetune", "base": {"kind": "linear"}}]


def test_departures_and_deletions_are_exact(finished: Run) -> None:
    peer, rows = finished.results["erasures"]
    assert (peer["kind"], peer["method"], peer["guarantee"]) == ("peer", "drop_seed", "exact")
    assert (rows["kind"], rows["method"], rows["guarantee"]) == ("rows", "sisa", "exact")
    for erasure in (peer, rows):
        assert erasure["max_abs_difference"] == 0.0
        assert erasure["max_abs_difference_nothing"] > 0.0, "the comparison would notice if nothing had been forgotten"
        assert erasure["mia_auc"] == erasure["mia_auc_counterfactual"]
        assert erasure["relearn_steps"] == erasure["relearn_steps_counterfactual"]
        assert [receipt["holder"] for receipt in erasure["receipts"]] == erasure["holders"] != []
    assert peer["gradient_steps"] == 0
    assert verify(finished.folder) == []


@pytest.mark.parametrize("base", ["mlp", "linear"])
def test_a_plain_main_model_forgets_rows_by_retraining(play: Callable[..., Run], base: str) -> None:
    run = play(event=[DELETE], peers={"count": 4, "main": [{"kind": base}], "seed": {"kind": "linear"}})
    (erasure,) = run.results["erasures"]
    assert (erasure["method"], erasure["max_abs_difference"]) == ("retrain", 0.0)
    assert erasure["gradient_steps"] > 0


def test_finetuning_is_not_exact_and_does_not_claim_to_be(play: Callable[..., Run]) -> None:
    run = play(event=[DELETE], peers={"count": 4, "main": FINETUNE, "seed": {"kind": "linear"}})
    (erasure,) = run.results["erasures"]
    assert (erasure["method"], erasure["guarantee"]) == ("finetune", "approximate")
    assert erasure["max_abs_difference"] > 0.0
    assert verify(run.folder) == [], "an approximation is no failure"


def test_with_one_running_stream_a_departure_is_not_exact(play: Callable[..., Run]) -> None:
    run = play(event=[LEAVE], training={"epochs": 2, "streams": "sequential"})
    assert run.results["erasures"][0]["max_abs_difference"] > 0.0
    assert any("differs" in line for line in verify(run.folder))


def test_a_neighbour_that_keeps_the_seed_is_found_out(play: Callable[..., Run]) -> None:
    check_found_out(play(event=[{"round": 1, "do": "refuse", "peers": [3]}, LEAVE]), 3, [5])


def test_the_same_scenario_gives_the_same_digest_twice_and_another_seed_another(play: Callable[..., Run]) -> None:
    audit = {"counterfactual": False}
    first, again, other = play(audit=audit), play(audit=audit), play(audit=audit, seed=6)
    assert first.digest == again.digest != other.digest
    assert first.folder != again.folder
