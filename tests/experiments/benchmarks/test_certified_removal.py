from __future__ import annotations

import pytest

from experiments.benchmarks import certified_removal


def test_each_hessian_gets_a_line_within_the_budget(capsys: pytest.CaptureFixture[str]) -> None:
    certified_removal.main(["--quick"])
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if " fresh " in line or " kept " in line]
    assert len(lines) == 4
    for line in lines:
        bound, budget = (float(cell) for cell in (line[-4], line[-2]))
        assert 0 < bound <= budget / 2
