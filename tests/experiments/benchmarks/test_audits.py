from __future__ import annotations

import pytest

from experiments.benchmarks import audits


@pytest.mark.slow
def test_each_audit_gets_a_line_and_those_that_did_nothing_are_caught(capsys: pytest.CaptureFixture[str]) -> None:
    audits.main(["--quick"])
    said = capsys.readouterr().out
    assert "ratio" in said
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.splitlines() if "│" in line]
    caught = {row[0]: row[-2:] for row in rows}
    for name in ("U-LiRA, area", "forgetting quality, epsilon", "KLoM, nats", "KLoM, Gaussian, nats"):
        assert caught[name] == ["1 of 1", "0 of 1"], name
    for name in ("RULI, area", "RMIA, area"):  # few models and rows: without power, but they object to no retrained model either
        assert caught[name][1] == "0 of 1", name
