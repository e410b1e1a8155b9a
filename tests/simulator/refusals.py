"""A check of runs in which a holder refuses to drop a seed."""

from __future__ import annotations

from simulator.runs.run import Run
from simulator.runs.verify import verify


def check_found_out(run: Run, holder: int, others: list[int]) -> None:
    """Check that results and verification show which holder kept the seed of the only erasure, and that the others gave receipts."""
    (erasure,) = run.results["erasures"]
    assert erasure["max_abs_difference"] > 0.0
    assert sorted(erasure["holders"]) == sorted([holder, *others])
    assert [receipt["holder"] for receipt in erasure["receipts"]] == others
    problems = verify(run.folder)
    assert any(f"peer {holder} gave no receipt" in line for line in problems)
    assert any(f"peer {holder} still holds its seed" in line for line in problems)
