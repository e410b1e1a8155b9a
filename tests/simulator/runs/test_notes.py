"""Why forgetting took no step is said where the unlearner knows."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from simulator import runner
from simulator.report.writing import page as report_of
from simulator.scenarios.scenario import Scenario
from simulator.terminal.results import show_results

LINEAR = {"kind": "linear"}
PEERS = {"count": 3, "main": [{"kind": "sisa", "shards": 2, "slices": 2, "base": LINEAR}], "seed": LINEAR}


@pytest.mark.parametrize(("number", "noted"), [(1, True), (4, False)])
def test_sisa_says_that_slices_had_not_been_trained(number: int, noted: bool, scenario: Callable[..., Scenario], tmp_path: Path) -> None:
    event = [{"round": number, "do": "delete", "peer": 0, "rows": {"fraction": 0.3}}]
    done = runner.run(scenario(peers=PEERS, event=event, audit={"counterfactual": False}), tmp_path)
    (erasure,) = done.results["erasures"]
    assert (erasure["gradient_steps"] == 0) is noted
    assert erasure["notes"] == (["no step was needed: the slices that the rows belong to had not been trained yet"] if noted else [])
    shown = io.StringIO()
    show_results(done, Console(file=shown, width=120))
    page = report_of(done.folder)
    assert ("no step was needed" in shown.getvalue()) is ("no step was needed" in page) is noted
