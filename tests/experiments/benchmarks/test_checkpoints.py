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


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--calls", "0"], "--calls 0: wants a positive number"),
        (["--folder", "/nowhere"], "--folder /nowhere: no files can be there (No such file or directory); name another"),
    ],
)
def test_bad_arguments_end_before_anything_is_made(wrong: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        checkpoints.main(wrong)
    assert left.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"checkpoints: error: {said}"


@pytest.mark.slow
def test_every_command_runs_on_what_those_before_it_made(capsys: pytest.CaptureFixture[str]) -> None:
    checkpoints.main(["--quick"])
    rows = [line for line in capsys.readouterr().out.splitlines() if "│" in line]
    assert [row.split()[1].rstrip(",") for row in rows] == ["reading", "prune", "scan", "seal", "seal", "revive"]
