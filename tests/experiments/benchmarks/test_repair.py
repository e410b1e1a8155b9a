from __future__ import annotations

import pytest

from experiments.benchmarks import repair


def test_each_figure_gets_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    repair.main(["--quick"])
    said = capsys.readouterr().out
    assert all(name in said for name in ("precision, causes", "precision, random", "helped, rare", "change, retrained"))
    assert "digits 3 and 8" in said
