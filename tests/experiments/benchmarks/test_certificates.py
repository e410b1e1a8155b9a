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


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "has no rows"), ("a,b\n1,2\n", "looks like the names of columns"), (None, "there is no such file")],
)
def test_a_file_that_is_not_adult_is_answered_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, said: str
) -> None:
    file = tmp_path / "it's.csv"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SystemExit) as left:
        certificates.main(["--quick", "--data", str(file)])
    assert left.value.code == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert said in line
    assert str(file) in line
