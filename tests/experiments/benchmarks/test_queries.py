from __future__ import annotations

import pytest

from experiments.benchmarks import queries


def test_finer_answers_cost_accuracy_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    queries.main(["--quick"])
    said = capsys.readouterr().out
    assert said.count("logistic from adaptive queries") == 3
    assert said.count("naive Bayes from sums") == 2
    assert "3,250" in said, "five gradients of 65 x 10 numbers"
