from __future__ import annotations

from pathlib import Path

import pytest

from experiments.benchmarks import certificates


@pytest.mark.slow
def test_each_certifier_and_each_correction_gets_a_line(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    certificates.main(["--quick", "--data", str(shared_data / "adult.csv")])
    said = capsys.readouterr().out
    assert all(name in said for name in ("measured", "data_dependent", "worst_case"))
    assert said.count("certified(1, 0.0001)") == 3, "one correction of labels and two of a column are made by peers with a perturbation"
