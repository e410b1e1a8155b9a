"""The benchmark of the commands for checkpoints, at a quarter of the width."""

from __future__ import annotations

import sys

import pytest

from experiments.benchmarks import checkpoints


def test_a_command_costs_time_and_memory_and_one_that_fails_is_no_measurement() -> None:
    cost = checkpoints.measure([sys.executable, "-c", "x = bytearray(300_000_000)"])
    assert cost.memory > 300_000_000
    assert cost.processor > 0
    with pytest.raises(RuntimeError, match="ended with 3"):
        checkpoints.measure([sys.executable, "-c", "raise SystemExit(3)"])


@pytest.mark.slow
def test_every_command_runs_on_what_those_before_it_made(capsys: pytest.CaptureFixture[str]) -> None:
    checkpoints.main(["--quick"])
    rows = [line for line in capsys.readouterr().out.splitlines() if "│" in line]
    assert [row.split()[1].rstrip(",") for row in rows] == ["reading", "prune", "scan", "seal", "seal", "revive"]
