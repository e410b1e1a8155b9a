from __future__ import annotations

import pytest

from clients.unlearning.approximate.queries import AdaptiveQueries
from experiments.benchmarks import queries


def test_each_granularity_gets_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    queries.main(["--quick"])
    said = capsys.readouterr().out
    assert said.count("adaptive logistic") == said.count("adaptive svm") == said.count("adaptive network") == 3
    assert said.count("naive Bayes from sums") == 2
    assert "3,250" in said, "five gradients of 65 x 10 numbers"


def test_coarse_answers_cost_accuracy() -> None:
    coarse, fine = (
        queries.measure(AdaptiveQueries(tolerance=tolerance, iterations=20, refine=4), 0, None, 1).accuracy for tolerance in (0.1, 0.001)
    )
    assert coarse < fine - 0.03
